package sink_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// database answers every statement with one row changed; internal/sqltest has real ones.
type database struct{ begun, committed int }

func (d *database) open(t *testing.T) *sql.DB {
	db := sql.OpenDB(d)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (d *database) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d *database) Driver() driver.Driver                        { return nil }
func (d *database) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (d *database) Begin() (driver.Tx, error)                    { d.begun++; return d, nil }
func (d *database) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}
func (d *database) Commit() error   { d.committed++; return nil }
func (d *database) Rollback() error { return nil }
func (d *database) Close() error    { return nil }

// one is a transaction of one result.
var one = stream.Txn[int]{
	Elems:   []stream.Out[int]{{Value: 7, Meta: stream.Meta{Topic: "orders"}}},
	Offsets: map[stream.TopicPartition]stream.OffsetRange{{Topic: "orders"}: {From: 0, Next: 1}},
}

type sqlState string

func (s sqlState) Error() string    { return "SQLSTATE " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

type sqliteCode int

func (c sqliteCode) Error() string { return fmt.Sprint("code ", int(c)) }
func (c sqliteCode) Code() int     { return int(c) }

func TestSQLTriesATransactionAgainWhenTheDatabaseAsksForIt(t *testing.T) {
	for err, again := range map[error]bool{
		sqlState("40001"): true, sqlState("40P01"): true, sqlState("23505"): false,
		sqliteCode(5): true, sqliteCode(6): true, sqliteCode(5 | 2<<8): true, sqliteCode(19): false,
		fmt.Errorf("wrapped: %w", sqlState("40001")): true, stream.Permanent(sqlState("40001")): false,
		errors.New("anything else"): false,
	} {
		synctest.Test(t, func(t *testing.T) {
			d, calls := &database{}, 0
			tx := sink.SQL(d.open(t), func(context.Context, *sql.Tx, []int) error {
				if calls++; calls < 3 {
					return err
				}
				return nil
			})
			got := tx.Commit(t.Context(), one)
			if again && (got != nil || calls != 3 || d.begun != 3 || d.committed != 1) {
				t.Errorf("%v: %v after %d calls in %d transactions, %d committed", err, got, calls, d.begun, d.committed)
			}
			if !again && (!errors.Is(got, err) || calls != 1 || d.committed != 0) {
				t.Errorf("%v: %v after %d calls, %d committed", err, got, calls, d.committed)
			}
		})
	}
}

func TestSQLSaysWhoseAnErrorIs(t *testing.T) {
	for err, whole := range map[error]bool{
		sqlState("23505"): false, sqlState("42P01"): true, sqliteCode(19 | 1<<8): false, sqliteCode(18): false, sqliteCode(20): false,
		sqliteCode(1): true, sqliteCode(13): true, sqliteCode(422): false, errors.New("anything else"): false,
		stream.Permanent(sqliteCode(19)): false, fmt.Errorf("wrapped: %w", sqliteCode(8)): true, driver.ErrBadConn: true,
	} {
		tx := sink.SQL((&database{}).open(t), func(context.Context, *sql.Tx, []int) error { return err })
		if got := tx.Commit(t.Context(), one); !errors.Is(got, err) || stream.IsWhole(got) != whole {
			t.Errorf("%v: %v, of the whole: %v", err, got, stream.IsWhole(got))
		}
	}
}

func TestSQLGivesUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, calls, began := &database{}, 0, time.Now()
		tx := sink.SQL(d.open(t), func(context.Context, *sql.Tx, []int) error { calls++; return sqlState("40001") })
		if err := tx.Commit(t.Context(), one); !errors.Is(err, sqlState("40001")) || calls != 10 {
			t.Errorf("%v after %d calls", err, calls)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began = time.Now()
		if err := tx.Commit(ctx, one); !errors.Is(err, sqlState("40001")) || time.Since(began) > 10*time.Millisecond {
			t.Errorf("its context ended after 10ms, it returned %v after %v", err, time.Since(began))
		}
	})
}

func TestSQLRefusesAFuncThatEndsTheTransaction(t *testing.T) {
	for name, end := range map[string]func(*sql.Tx) error{"commit": (*sql.Tx).Commit, "rollback": (*sql.Tx).Rollback} {
		d := &database{}
		tx := sink.SQL(d.open(t), func(_ context.Context, tx *sql.Tx, _ []int) error { return end(tx) })
		if err := tx.Commit(t.Context(), one); !stream.IsPermanent(err) || !strings.Contains(err.Error(), "has ended its transaction") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSQLIsCheckedByBuild(t *testing.T) {
	write := func(context.Context, *sql.Tx, []int) error { return nil }
	for _, table := range []string{"", "a.b.c", `o"; DROP TABLE accounts; --`, "1st", "größe"} {
		_, err := source.Slice(1).CommitWith(sink.SQL(nil, write, sink.InTable(table)), 1, 0).Build()
		for _, fault := range []string{"the database is nil", fmt.Sprintf("%q cannot be the name of a table", table)} {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%v lacks: %s", err, fault)
			}
		}
	}
	db := (&database{}).open(t)
	for _, table := range []string{"offsets", "audit.Offsets_2"} {
		if err := sink.SQL(db, write, sink.InTable(table)).(interface{ Check() error }).Check(); err != nil {
			t.Errorf("%s: %v", table, err)
		}
	}
	// its rows would be those of the source eu of a pipeline named billing
	_, err := source.Slice(1).CommitWith(sink.SQL(db, write, sink.ForPipeline("billing/eu")), 1, 0).Build()
	if err == nil || !strings.Contains(err.Error(), `the name "billing/eu" of ForPipeline has a slash`) {
		t.Errorf("a name with a slash: %v", err)
	}
	_, err = source.Slice(1).CommitWith(sink.SQL[int](db, nil), 1, 0).Build()
	if err == nil || !strings.Contains(err.Error(), "the func is nil") {
		t.Error(err)
	}
}
