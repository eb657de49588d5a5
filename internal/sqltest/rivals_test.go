package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// fencedFor fails the test unless err says that another owner has written to partition 0.
func fencedFor(t *testing.T, err error) {
	t.Helper()
	var fenced *stream.FencedError
	if !errors.As(err, &fenced) || !slices.Equal(fenced.Partitions, []stream.TopicPartition{place(0)}) {
		t.Errorf("want a FencedError, got: %v", err)
	}
}

func TestRivals(t *testing.T) {
	t.Run("fence a zombie's whole transaction", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			zombie := open(t, sink.SQL(b.open(), insert, sink.CreateTable()))
			owner := sink.SQL(b.open(), insert)
			// the first time there is no row, the second time there is one
			for from := int64(0); from < 6; from += 3 {
				if err := owner.Commit(t.Context(), txn(0, from, from+3)); err != nil {
					t.Fatal(err)
				}
				for _, next := range []int64{from + 1, from + 3, from + 5} {
					fencedFor(t, zombie.Commit(t.Context(), txn(0, from, next)))
				}
			}
			if got := b.written(0); !slices.Equal(got, upTo(6)) {
				t.Errorf("written %v, want %v", got, upTo(6))
			}
			at := restored(t, zombie)
			if at != 6 {
				t.Fatalf("it continues at %d", at)
			}
			if err := zombie.Commit(t.Context(), txn(0, at, 8)); err != nil {
				t.Errorf("commit after Restore: %v", err)
			}
			fencedFor(t, owner.Commit(t.Context(), txn(0, at, 8)))
		})
	})
	// Two transactions start at the same offset. The later one waits for the other and is then fenced,
	// with or without a row.
	t.Run("commit one of two concurrent transactions", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			inside, proceed := make(chan struct{}), make(chan struct{})
			first := open(t, sink.SQL(b.open(), func(ctx context.Context, tx *sql.Tx, rs []result) error {
				inside <- struct{}{}
				<-proceed
				return insert(ctx, tx, rs)
			}, sink.CreateTable()))
			second := sink.SQL(b.open(), insert)
			for from := int64(0); from < 6; from += 3 {
				won, lost := make(chan error, 1), make(chan error, 1)
				go func() { won <- first.Commit(t.Context(), txn(0, from, from+3)) }()
				select {
				case <-inside:
				case err := <-won:
					t.Fatalf("Commit returned before it wrote: %v", err)
				}
				go func() { lost <- second.Commit(t.Context(), txn(0, from, from+2)) }()
				proceed <- struct{}{}
				if err := <-won; err != nil {
					t.Error(err)
				}
				fencedFor(t, <-lost)
			}
			if got := b.written(0); !slices.Equal(got, upTo(6)) {
				t.Errorf("written %v, want %v", got, upTo(6))
			}
		})
	})
	t.Run("continue at an offset changed by hand", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			if err := tx.Commit(t.Context(), txn(0, 0, 6)); err != nil {
				t.Fatal(err)
			}
			b.exec(`UPDATE laneway_offsets SET next_offset = 3`)
			fencedFor(t, tx.Commit(t.Context(), txn(0, 6, 9)))
			if at := restored(t, tx); at != 3 {
				t.Errorf("it continues at %d", at)
			}
			b.exec(`DELETE FROM laneway_offsets`)
			if offsets, err := tx.Restore(t.Context(), parts(place(0))); err != nil || len(offsets) != 0 {
				t.Errorf("nothing is stored, but restored %v, %v", offsets, err)
			}
		})
	})
}
