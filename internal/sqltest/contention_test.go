package sqltest

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// atOnce commits the records [0, 20) of n partitions concurrently, in transactions of two.
func atOnce(t *testing.T, n int, tx stream.Transactor[result]) {
	t.Helper()
	var all sync.WaitGroup
	for part := range n {
		all.Go(func() {
			for from := int64(0); from < 20; from += 2 {
				if err := tx.Commit(t.Context(), txn(part, from, from+2)); err != nil {
					t.Errorf("partition %d: %v", part, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// deposit reads a balance and writes a balance computed from it.
func deposit(ctx context.Context, tx *sql.Tx, rs []result) error {
	for range rs {
		var cents int64
		if err := tx.QueryRowContext(ctx, `SELECT cents FROM accounts WHERE id = 1`).Scan(&cents); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET cents = $1 WHERE id = 1`, cents+1); err != nil {
			return err
		}
	}
	return nil
}

func TestContention(t *testing.T) {
	t.Run("of partitions loses no update", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			// PostgreSQL guarantees this only at serializable, and requires retries; so does SQLite if its
			// driver does not wait.
			db := b.open(b.strict)
			var writes atomic.Int64
			tx := open(t, sink.SQL(db, func(ctx context.Context, tx *sql.Tx, rs []result) error {
				writes.Add(1)
				return deposit(ctx, tx, rs)
			}, sink.CreateTable()))
			atOnce(t, 3, tx)
			if cents := b.number(`SELECT cents FROM accounts WHERE id = 1`); cents != int64(3*len(upTo(20))) {
				t.Errorf("deposited %d, want %d", cents, 3*len(upTo(20)))
			}
			t.Logf("%d writes, including those rolled back", writes.Load())
		})
	})
	t.Run("retries deadlocks", func(t *testing.T) {
		b := newPostgres(t) // SQLite has one writer at a time
		var both sync.WaitGroup
		both.Add(2)
		var writes atomic.Int64
		tx := open(t, sink.SQL(b.open(), func(ctx context.Context, tx *sql.Tx, rs []result) error {
			n := writes.Add(1)
			for i := range 2 {
				id := (rs[0].part+i)%2 + 1 // each partition starts with another account
				if _, err := tx.ExecContext(ctx, `UPDATE accounts SET cents = cents + 1 WHERE id = $1`, id); err != nil {
					return err
				}
				if i == 0 && n <= 2 {
					both.Done()
					both.Wait()
				}
			}
			return nil
		}, sink.CreateTable()))
		var all sync.WaitGroup
		for part := range 2 {
			all.Go(func() {
				if err := tx.Commit(t.Context(), txn(part, 0, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := writes.Load(); n != 3 {
			t.Errorf("write was called %d times, want 3: each once, and the deadlock's victim again", n)
		}
		if cents := b.number(`SELECT cents FROM accounts WHERE id = 1`); cents != 2 {
			t.Errorf("deposited %d, want 2", cents)
		}
	})
}
