package sqltest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/laneway-go/laneway/stream"
)

// backend is a test's database. Every pool opened on it sees the same tables.
type backend struct {
	t      *testing.T
	driver driver.Driver
	dsn    string
	strict string  // a setting that makes conflicting transactions fail rather than wait
	db     *sql.DB // for the test's own queries
}

func newBackend(t *testing.T, d driver.Driver, dsn string) *backend {
	b := &backend{t: t, driver: d, dsn: dsn}
	b.db = b.open()
	return b
}

// each runs a test on every backend.
func each(t *testing.T, test func(t *testing.T, b *backend)) {
	t.Run("SQLite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, newPostgres(t)) })
}

func newSQLite(t *testing.T) *backend {
	file := url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "test.db"), RawQuery: "_pragma=journal_mode(wal)&_pragma=synchronous(off)"}
	b := newBackend(t, &sqlite.Driver{}, file.String())
	b.strict = "_pragma=busy_timeout(0)"
	b.tables()
	return b
}

// newPostgres skips without POSTGRES_URL, or fails if LANEWAY_REQUIRE_POSTGRES is set, as in CI.
func newPostgres(t *testing.T) *backend {
	const start = "start one with `.ci/postgres run -- go test ./internal/sqltest/...`"
	dsn := os.Getenv("POSTGRES_URL")
	switch {
	case dsn != "":
	case os.Getenv("LANEWAY_REQUIRE_POSTGRES") != "":
		t.Fatalf("LANEWAY_REQUIRE_POSTGRES is set and POSTGRES_URL is not: %s", start)
	default:
		t.Skipf("needs a real PostgreSQL and POSTGRES_URL is not set: %s", start)
	}
	server := newBackend(t, stdlib.GetDefaultDriver(), dsn)
	schema := "t" + strings.ToLower(rand.Text())
	server.exec(`CREATE SCHEMA ` + schema)
	t.Cleanup(func() { server.exec(`DROP SCHEMA ` + schema + ` CASCADE`) })
	b := newBackend(t, server.driver, dsn+"&search_path="+schema)
	b.strict = "default_transaction_isolation=serializable"
	b.tables()
	return b
}

// tables creates the tables that tests write to: results, which may hold duplicates, and accounts.
func (b *backend) tables() {
	b.exec(`CREATE TABLE results (part BIGINT NOT NULL, value BIGINT NOT NULL)`)
	b.exec(`CREATE TABLE accounts (id BIGINT PRIMARY KEY, cents BIGINT NOT NULL)`)
	b.exec(`INSERT INTO accounts VALUES (1, 0), (2, 0)`)
}

// open returns a separate pool of connections, like another process has. settings are added to the
// connections' configuration.
func (b *backend) open(settings ...string) *sql.DB { return b.openBroken(nil, settings...) }

func (b *backend) openBroken(f *fault, settings ...string) *sql.DB {
	b.t.Helper()
	dsn := strings.Join(append([]string{b.dsn}, settings...), "&")
	db := sql.OpenDB(connector{b.driver, dsn, f})
	b.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return db
}

func (b *backend) exec(query string) {
	b.t.Helper()
	// not the test's context, which has ended during cleanup
	if _, err := b.db.ExecContext(context.Background(), query); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
}

// number returns the result of a query for one number.
func (b *backend) number(query string) (n int64) {
	b.t.Helper()
	if err := b.db.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// written returns the results of a partition, in ascending order.
func (b *backend) written(part int) []int64 {
	b.t.Helper()
	return written(b.t, b.db, part)
}

// reader is a database, or a transaction of one.
type reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func written(t *testing.T, r reader, part int) (vs []int64) {
	t.Helper()
	rows, err := r.QueryContext(context.Background(), fmt.Sprintf(`SELECT value FROM results WHERE part = %d ORDER BY value`, part))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return vs
}

// result is a result of a record: usually the record's own offset.
type result struct {
	part  int
	value int64
}

// insert writes results. Most tests pass it to sink.SQL.
func insert(ctx context.Context, tx *sql.Tx, rs []result) error {
	for _, r := range rs {
		if _, err := tx.ExecContext(ctx, `INSERT INTO results (part, value) VALUES ($1, $2)`, r.part, r.value); err != nil {
			return err
		}
	}
	return nil
}

const topic = "orders"

func place(part int) stream.TopicPartition {
	return stream.TopicPartition{Topic: topic, Partition: part}
}

// parts are the partitions of a source without topic ids.
func parts(tps ...stream.TopicPartition) map[stream.TopicPartition]stream.TopicID {
	ids := map[stream.TopicPartition]stream.TopicID{}
	for _, tp := range tps {
		ids[tp] = stream.TopicID{}
	}
	return ids
}

// txn returns the transaction of a partition's records from from to next. Every third record has no
// result.
func txn(part int, from, next int64) stream.Txn[result] {
	tx := stream.Txn[result]{Offsets: map[stream.TopicPartition]stream.OffsetRange{place(part): {From: from, Next: next}}}
	for n := from; n < next; n++ {
		if n%3 != 2 {
			tx.Elems = append(tx.Elems, stream.Out[result]{Value: result{part, n}, Meta: stream.Meta{Topic: topic, Partition: part, Offset: n}})
		}
	}
	return tx
}

// upTo returns the values that txns write for the records below next.
func upTo(next int64) (vs []int64) {
	for _, e := range txn(0, 0, next).Elems {
		vs = append(vs, e.Value.value)
	}
	return vs
}
