package sink

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/laneway-go/laneway/stream"
)

// SQL writes results and the offsets that they came from in one transaction of a database:
// CommitWith(sink.SQL(db, write), …) is exactly once for what write does with its tx, and for
// nothing else. Transactions are of one partition each; those of several run side by side, on as
// many connections.
//
// write gets the results in the order of their records, and must neither commit tx nor roll it
// back. Its error, or panic, undoes the whole transaction; a *stream.PartialError names the results
// that keep the others from being written, and where none does CommitWith finds the first of them:
// of errors with an SQLSTATE those of class 22 and 23, of SQLite's CONSTRAINT, MISMATCH and TOOBIG,
// and of others all but those that stream.IsWhole takes for an outage. It runs again, in a new
// transaction, when the database asks for that, or when a failure is retried: whatever it does
// without tx, it does again. Where records came to nothing, their offsets are stored without it.
//
// The offsets are in a table of their own (InTable, CreateTable). A partition that is in it goes on
// from there, whatever its group has committed; who wants to rewind it changes its row. A row is of
// a topic id: one of a topic that was deleted and made again since counts for nothing
// (stream.TopicRecreated), and what was read of the old topic is not written over what the new one
// has. The halts of the steps above are stored with the offset, in the column state. The first
// statement of a transaction moves the offset on from where the transaction begins: where another
// one is stored, somebody else has the partition by now, and nothing is written
// (*stream.FencedError). A commit whose answer was lost is recognised by what is stored, and not
// done twice.
//
// PostgreSQL and SQLite are tested; others need $1 for parameters and INSERT … ON CONFLICT DO
// NOTHING. Serialization failures and deadlocks are recognised by an error's SQLState() string of
// 40001 or 40P01 (pgx, lib/pq), SQLite's BUSY and LOCKED by a Code() int of 5 or 6
// (modernc.org/sqlite); such a transaction is tried up to 10 times, in about 2 seconds. A database
// that is away when a partition is assigned is waited for (see stream.Transactor). Isolation is
// what db's connections have. SQLite has one writer at a time: give it a busy_timeout.
func SQL[T any](db *sql.DB, write func(ctx context.Context, tx *sql.Tx, results []T) error, opts ...SQLOption) stream.Transactor[T] {
	c := sqlConfig{table: "laneway_offsets"}
	for _, o := range opts {
		o(&c)
	}
	return &sqlTransactor[T]{sqlOffsets: newOffsets(c, rand.Text()), db: db, write: write}
}

// SQLOption changes where SQL keeps its offsets.
type SQLOption func(*sqlConfig)

type sqlConfig struct {
	table    string
	pipeline string
	create   bool
}

// InTable names the table of the offsets, with its schema if need be: letters, digits and _, upper
// and lower case apart. The default is laneway_offsets.
func InTable(name string) SQLOption { return func(c *sqlConfig) { c.table = name } }

// ForPipeline tells pipelines apart that share a table, such as two that read the same topics.
// Without it a pipeline's name is "". One that finds offsets of another group under its name is
// refused by its first Commit, before it writes anything. Sources of a Merge have rows of their
// own, of the name with a slash and that of the source (see stream.Stream.As). So the name must not
// have a slash.
func ForPipeline(name string) SQLOption { return func(c *sqlConfig) { c.pipeline = name } }

// CreateTable has the table made before the source starts, if it is not there, and one of an
// earlier version altered. Without it such a table ends Run with the statement that makes or alters
// it.
func CreateTable() SQLOption { return func(c *sqlConfig) { c.create = true } }

type sqlTransactor[T any] struct {
	*sqlOffsets
	db    *sql.DB
	write func(context.Context, *sql.Tx, []T) error
}

// String names the transactor in Describe.
func (s *sqlTransactor[T]) String() string {
	if s.pipeline == "" {
		return "SQL " + s.table
	}
	return fmt.Sprintf("SQL %s (%s)", s.table, s.pipeline)
}

// StateBytes is the most that it stores of halts with an offset.
func (s *sqlTransactor[T]) StateBytes() int { return 64 << 10 }

// PerPartition says that each transaction is of one partition.
func (s *sqlTransactor[T]) PerPartition() bool { return true }

// Check says what Build refuses.
func (s *sqlTransactor[T]) Check() error {
	var faults []error
	refuse := func(what, do string) {
		faults = append(faults, &stream.BuildError{Code: "LW144", Step: "sink.SQL", What: what, Fix: do})
	}
	if s.db == nil {
		refuse("the database is nil", "pass what sql.Open returns")
	}
	if s.write == nil {
		refuse("the func is nil", "pass a function that writes results with the transaction it gets")
	}
	if !tableName.MatchString(s.table) {
		refuse(fmt.Sprintf("%q cannot be the name of a table", s.table), "use letters, digits and _, after a schema and a dot if need be")
	}
	if strings.Contains(s.pipeline, "/") {
		refuse(fmt.Sprintf("the name %q of ForPipeline has a slash, behind which stands the source of a Merge", s.pipeline), "use dots or dashes")
	}
	return errors.Join(faults...)
}

// Open makes the table if it was asked to, or adds what it lacks, and looks whether it can be used.
func (s *sqlTransactor[T]) Open(ctx context.Context) error {
	exec := func(statement string) error {
		return again(ctx, retried, func() error {
			_, err := s.db.ExecContext(ctx, statement)
			return err
		})
	}
	usable := func() error {
		return again(ctx, retried, func() error {
			_, err := s.load(ctx, s.db)
			return err
		})
	}
	var made error
	if s.create {
		made = exec(s.ddl)
	}
	err := usable()
	asks := func(query string) error {
		return again(ctx, retried, func() error {
			var n int
			return s.db.QueryRowContext(ctx, query).Scan(&n)
		})
	}
	earlier := err != nil && asks(s.count) == nil
	var lacks []string // statements that add what an earlier version lacks
	for _, c := range s.later {
		if earlier && asks(c.look) != nil {
			lacks = append(lacks, c.add)
		}
	}
	if s.create && len(lacks) > 0 {
		made = nil
		for _, add := range lacks {
			made = errors.Join(made, exec(add))
		}
		err = usable()
	}
	switch {
	// also where two made or altered it at once: one of them fails, and the table is there
	case err == nil:
		return nil
	case made != nil:
		return fmt.Errorf("creating the table of offsets [LW411]: %w", made)
	case s.create:
		return fmt.Errorf("reading the table of offsets [LW411]: %w", err)
	case len(lacks) > 0:
		return fmt.Errorf("reading the table of offsets [LW411]: %w; it is of an earlier version: have it altered with sink.CreateTable(), or alter it:\n%s", err, strings.Join(lacks, ";\n"))
	}
	return fmt.Errorf("reading the table of offsets [LW411]: %w; if it is missing, have it made with sink.CreateTable(), or make it:\n%s", err, s.ddl)
}

// Restore returns the positions that are stored. A failure is tried again like those of Commit,
// whatever it is: nothing is changed here.
func (s *sqlTransactor[T]) Restore(ctx context.Context, parts map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	var stored map[stream.TopicPartition]stream.Position
	err := again(ctx, func(error) bool { return true }, func() (err error) {
		stored, err = s.load(ctx, s.db)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the offsets in %s: %w", s.table, err)
	}
	if err := s.moved(stored, parts); err != nil {
		return nil, err
	}
	return s.restored(stored, parts), nil
}

// Commit implements stream.Transactor.
func (s *sqlTransactor[T]) Commit(ctx context.Context, txn stream.Txn[T]) error {
	return again(ctx, retried, func() error { return s.try(ctx, txn) })
}

func (s *sqlTransactor[T]) try(ctx context.Context, txn stream.Txn[T]) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return stream.Whole(fmt.Errorf("beginning a transaction: %w", err))
	}
	defer tx.Rollback() // also when write panics; nothing once it is committed
	// First of all: it takes the lock that another owner waits for, and SQLite's for writing before
	// anything is read.
	done := map[stream.TopicPartition]int64{}
	for tp, r := range txn.Offsets {
		if done[tp], err = s.advance(ctx, tx, tp, r, txn.Groups[tp.Source].Group); err != nil {
			return stream.Whole(err)
		}
	}
	var todo []T
	var index []int // of those in todo, in txn.Elems
	for i, e := range txn.Elems {
		if e.Meta.Offset >= done[e.Meta.TopicPartition()] {
			todo, index = append(todo, e.Value), append(index, i)
		}
	}
	if len(todo) > 0 {
		if err := s.write(ctx, tx, todo); err != nil {
			return marked(renumbered(err, index))
		}
	}
	switch err = tx.Commit(); {
	case err == nil:
		return nil
	case !errors.Is(err, sql.ErrTxDone):
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	default:
		return stream.Permanent(stream.Whole(errors.New("the func given to sink.SQL has ended its transaction: it must leave that to the sink [LW413]")))
	}
	return marked(fmt.Errorf("committing: %w", err)) // where constraints are deferred, too
}

// renumbered is err with the indices of Txn.Elems, where write was given only some of them.
func renumbered(err error, index []int) error {
	var p *stream.PartialError
	if !errors.As(err, &p) || index[len(index)-1] == len(index)-1 {
		return err
	}
	errs := make(map[int]error, len(p.Errs))
	for i, e := range p.Errs {
		if i >= 0 && i < len(index) {
			errs[index[i]] = e
		}
	}
	return &stream.PartialError{Errs: errs}
}

// quoted is a name that tableName has let pass.
func quoted(table string) string { return `"` + strings.ReplaceAll(table, ".", `"."`) + `"` }
