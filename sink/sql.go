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

// SQL writes results and their source offsets in one transaction of a database. CommitWith makes
// everything that write does with its tx exactly once, and nothing else:
//
//	CommitWith(sink.SQL(db, write), 500, time.Second)
//
// write gets the results in the order of their records. It must not commit tx or roll it back. If
// it returns an error or panics, the whole transaction is rolled back. It is called again, in a new
// transaction, if the database asks for that or a policy retries the failure. So anything it does
// without tx may happen more than once. Records without a result only move the offset, without a
// call of write.
//
// A transaction is of one partition. Those of several partitions run in parallel, each on a
// connection of its own.
//
// Errors: a *stream.PartialError of write names the results that cannot be written. After any other
// error of the data, CommitWith searches for the first such result. Errors of the data are SQLSTATE
// classes 22 and 23, SQLite's CONSTRAINT, MISMATCH and TOOBIG, and errors of other databases unless
// stream.IsWhole reports true. A serialization failure or a deadlock is retried by SQL itself: 10
// attempts, in about 2 s. If another worker has stored an offset for the partition, nothing is
// written (*stream.FencedError). If the answer to a commit is lost, the stored offset shows whether
// it took place, so nothing is written twice. If the database is down at an assignment, the
// partition waits: see stream.Transactor.
//
// Offsets have a table of their own: see InTable and CreateTable. A partition with a row starts
// there, whatever its group has committed. To rewind it, update the row. A row belongs to a topic
// id, so a recreated topic starts without one (stream.TopicRecreated), and a late worker of the old
// topic cannot overwrite the new one's row. The column state has the halts of the steps above.
//
// PostgreSQL and SQLite are tested. Another database needs $1 parameters and INSERT … ON CONFLICT
// DO NOTHING. Its retryable errors are recognised by SQLState() string, 40001 or 40P01 (pgx,
// lib/pq), or by Code() int, 5 or 6 for SQLite's BUSY and LOCKED (modernc.org/sqlite). Transactions
// have the isolation level of db's connections. SQLite has one writer at a time: set a
// busy_timeout.
func SQL[T any](db *sql.DB, write func(ctx context.Context, tx *sql.Tx, results []T) error, opts ...SQLOption) stream.Transactor[T] {
	c := sqlConfig{table: "laneway_offsets"}
	for _, o := range opts {
		o(&c)
	}
	return &sqlTransactor[T]{sqlOffsets: newOffsets(c, rand.Text()), db: db, write: write}
}

// SQLOption configures the table of offsets of SQL.
type SQLOption func(*sqlConfig)

type sqlConfig struct {
	table    string
	pipeline string
	create   bool
}

// InTable names the table of offsets, with a schema if you like: letters, digits and _. The name is
// case-sensitive. Default: laneway_offsets.
func InTable(name string) SQLOption { return func(c *sqlConfig) { c.table = name } }

// ForPipeline names the pipeline in the table of offsets, so that pipelines can share the table,
// such as two that read the same topics. Default: "". If the table has offsets of another group
// under that name, the first Commit fails before it writes anything. In a Merge the rows of a
// source have the name, a slash, and the name of the source (see stream.Stream.As), so the name
// must have no slash.
func ForPipeline(name string) SQLOption { return func(c *sqlConfig) { c.pipeline = name } }

// CreateTable creates the table of offsets before the source starts, if it is missing, and alters
// one of an earlier version. Without it, Run ends with an error that has the statements to run.
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

// StateBytes is the largest state that it stores with an offset.
func (s *sqlTransactor[T]) StateBytes() int { return 64 << 10 }

// PerPartition says that each transaction is of one partition.
func (s *sqlTransactor[T]) PerPartition() bool { return true }

// Check returns the faults of the configuration.
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
		refuse(fmt.Sprintf("the name %q of ForPipeline has a slash, which separates it from the source of a Merge", s.pipeline), "use dots or dashes")
	}
	return errors.Join(faults...)
}

// Open creates or alters the table if CreateTable is set, and checks that it can be used.
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
	// also if two workers created or altered it at once, and this one failed
	case err == nil:
		return nil
	case made != nil:
		return fmt.Errorf("creating the table of offsets [LW411]: %w", made)
	case s.create:
		return fmt.Errorf("reading the table of offsets [LW411]: %w", err)
	case len(lacks) > 0:
		return fmt.Errorf("reading the table of offsets [LW411]: %w; it is of an earlier version: use sink.CreateTable() to alter it, or run:\n%s", err, strings.Join(lacks, ";\n"))
	}
	return fmt.Errorf("reading the table of offsets [LW411]: %w; if it is missing, use sink.CreateTable() to create it, or run:\n%s", err, s.ddl)
}

// Restore returns the stored positions. It retries every failure, since it changes nothing.
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
	defer tx.Rollback() // also if write panics; does nothing after Commit
	// First, since it takes the row's lock, for which another owner waits, and SQLite's write lock
	// before anything is read.
	done := map[stream.TopicPartition]int64{}
	for tp, r := range txn.Offsets {
		if done[tp], err = s.advance(ctx, tx, tp, r, txn.Groups[tp.Source].Group); err != nil {
			return stream.Whole(err)
		}
	}
	var todo []T
	var index []int // index[i] is that of todo[i] in txn.Elems
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
	return marked(fmt.Errorf("committing: %w", err)) // may be an error of the data: a deferred constraint
}

// renumbered returns err with indices of Txn.Elems, if write was called with only some of them.
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

// quoted quotes a name that tableName matches.
func quoted(table string) string { return `"` + strings.ReplaceAll(table, ".", `"."`) + `"` }
