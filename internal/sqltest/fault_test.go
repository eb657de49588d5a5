package sqltest

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

var errBroken = errors.New("the connection is broken")

// fault occurs once, at a call to the database: before the call reaches it, or after it, so that
// only the response is lost.
type fault struct {
	// selects the call to hit; the first call is 1; what is BEGIN, a statement, or COMMIT
	hits  func(call int, what string) bool
	after bool
	// returns the call's error; nil lets the call proceed; a nil strike breaks the connection
	strike func(*conn) error

	mu    sync.Mutex // guards the fields below
	calls int
	what  string // the call that was hit
	dead  bool   // no call reaches the database any more
}

// around counts a call and makes it.
func (f *fault) around(c *conn, what string, call func() error) error {
	if f == nil {
		return call()
	}
	var due, dead bool
	f.lock(func() {
		f.calls++
		due, dead = f.what == "" && f.hits(f.calls, what), f.dead
	})
	switch {
	case dead:
		return c.cut()
	case !due:
		return call()
	case f.after:
		if err := call(); err != nil {
			return err // no response to lose: hit the next call
		}
		return f.struck(c, what)
	}
	if err := f.struck(c, what); err != nil {
		return err
	}
	return call()
}

func (f *fault) struck(c *conn, what string) error {
	first := false
	f.lock(func() {
		if first = f.what == ""; first {
			f.what = what
		}
	})
	switch {
	case !first:
		return nil
	case f.strike == nil:
		return c.cut()
	}
	return f.strike(c)
}

func (f *fault) hit() (what string) {
	f.lock(func() { what = f.what })
	return what
}

// kill makes every call fail from now on, like a process that is gone.
func (f *fault) kill() { f.lock(func() { f.dead = true }) }

func (f *fault) lock(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// connector opens connections that break by a fault.
type connector struct {
	driver driver.Driver
	dsn    string
	fault  *fault
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	in, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: in, fault: c.fault}, nil
}

func (c connector) dial(ctx context.Context) (driver.Conn, error) {
	d, ok := c.driver.(driver.DriverContext)
	if !ok {
		return c.driver.Open(c.dsn)
	}
	to, err := d.OpenConnector(c.dsn)
	if err != nil {
		return nil, err
	}
	return to.Connect(ctx)
}

// conn is used by one goroutine at a time, as database/sql promises.
type conn struct {
	driver.Conn
	fault *fault
	tx    driver.Tx // in progress
	gone  bool
}

// cut closes the connection; the database rolls back uncommitted changes.
func (c *conn) cut() error {
	if c.tx != nil {
		// as a server does for a client that is gone; no effect after a commit
		_ = c.tx.Rollback()
	}
	c.gone = true
	return errBroken
}

func (c *conn) IsValid() bool { return !c.gone }

func (c *conn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.fault != nil {
		// The drivers end a COMMIT with the context of its BEGIN. A server that has got one does not.
		ctx = context.WithoutCancel(ctx)
	}
	err := c.fault.around(c, "BEGIN", func() (err error) {
		c.tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
		return err
	})
	return connTx{c}, err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	if c.gone {
		return nil, errBroken
	}
	err = c.fault.around(c, query, func() (err error) {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	if c.gone {
		return nil, errBroken
	}
	err = c.fault.around(c, query, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return err
	})
	if err != nil && rows != nil {
		_ = rows.Close()
	}
	return rows, err
}

type connTx struct{ c *conn }

func (t connTx) Commit() error {
	if t.c.gone {
		return errBroken
	}
	return t.c.fault.around(t.c, "COMMIT", func() error {
		err := t.c.tx.Commit()
		t.c.tx = nil
		return err
	})
}

func (t connTx) Rollback() error {
	if t.c.gone || t.c.tx == nil {
		return nil
	}
	tx := t.c.tx
	t.c.tx = nil
	return tx.Rollback()
}
