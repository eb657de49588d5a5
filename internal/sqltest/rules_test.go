package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

func TestTransaction(t *testing.T) {
	t.Run("stores results and offsets together", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable(), sink.InTable("Offsets_1")))
			for _, to := range []stream.Txn[result]{txn(0, 0, 3), txn(1, 5, 7), txn(0, 3, 4)} {
				if err := tx.Commit(t.Context(), to); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.written(0); !slices.Equal(got, upTo(4)) {
				t.Errorf("partition 0: written %v", got)
			}
			if got := b.written(1); !slices.Equal(got, []int64{6}) {
				t.Errorf("partition 1: written %v", got)
			}
			another := sink.SQL(b.open(), insert, sink.InTable("Offsets_1"))
			got, err := another.Restore(t.Context(), parts(place(0), place(1), place(2), stream.TopicPartition{Topic: "others"}))
			if want := map[stream.TopicPartition]stream.Position{place(0): {Offset: 4}, place(1): {Offset: 7}}; err != nil || !maps.Equal(got, want) {
				t.Errorf("restored %v, %v, want %v", got, err, want)
			}
			if got, err := another.Restore(t.Context(), parts(place(1))); err != nil || len(got) != 1 {
				t.Errorf("restored of one partition: %v, %v", got, err)
			}
		})
	})
	t.Run("without results stores offsets alone", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, func(context.Context, *sql.Tx, []result) error { return errors.New("there is nothing to write") }, sink.CreateTable()))
			// every third record has no result
			if err := tx.Commit(t.Context(), txn(0, 2, 3)); err != nil {
				t.Error(err)
			}
			if at := restored(t, tx); at != 3 {
				t.Errorf("stored %d", at)
			}
		})
	})
	// CommitWith asks with it whether a failure was of the results or of the whole.
	t.Run("of no record moves no offset, whether the partition has one or not", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			for _, to := range []stream.Txn[result]{txn(0, 0, 0), txn(0, 0, 0), txn(0, 0, 3), txn(0, 3, 3), txn(0, 3, 4)} {
				r := to.Offsets[place(0)]
				if err := tx.Commit(t.Context(), to); err != nil {
					t.Errorf("[%d, %d): %v", r.From, r.Next, err)
				}
				if at := restored(t, tx); at != r.Next {
					t.Errorf("[%d, %d): stored %d", r.From, r.Next, at)
				}
			}
			if got := b.written(0); !slices.Equal(got, upTo(4)) {
				t.Errorf("written %v", got)
			}
		})
	})
	t.Run("of no record is fenced where another owner has moved the offset", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			rival := open(t, sink.SQL(b.open(), insert))
			if err := rival.Commit(t.Context(), txn(0, 0, 3)); err != nil {
				t.Fatal(err)
			}
			var fenced *stream.FencedError
			if err := tx.Commit(t.Context(), txn(0, 0, 0)); !errors.As(err, &fenced) {
				t.Errorf("it was not fenced: %v", err)
			}
			if at := restored(t, tx); at != 3 {
				t.Errorf("stored %d", at)
			}
		})
	})
	t.Run("that fails leaves nothing behind", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			bad := errors.New("bad")
			ctx, cancel := context.WithCancel(t.Context())
			for name, fails := range map[string]func() error{
				"error":             func() error { return bad },
				"panic":             func() error { panic(bad) },
				"cancelled context": func() error { cancel(); return nil },
			} {
				tx := open(t, sink.SQL(b.db, func(ctx context.Context, tx *sql.Tx, rs []result) error {
					if err := insert(ctx, tx, rs); err != nil {
						return err
					}
					return fails()
				}, sink.CreateTable()))
				err := func() (err error) {
					defer func() {
						if p := recover(); p != nil {
							err = p.(error)
						}
					}()
					return tx.Commit(ctx, txn(0, 0, 3))
				}()
				if !errors.Is(err, bad) && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", name, err)
				}
				if got := b.written(0); len(got) > 0 || b.number(`SELECT COUNT(*) FROM laneway_offsets`) > 0 {
					t.Errorf("%s: left behind %v", name, got)
				}
				ctx, cancel = context.WithCancel(t.Context())
			}
			cancel()
		})
	})
}

func TestForPipeline(t *testing.T) {
	t.Run("keeps pipelines apart in one table", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			billing := open(t, sink.SQL(b.db, insert, sink.CreateTable(), sink.ForPipeline("billing")))
			audit := open(t, sink.SQL(b.db, insert, sink.ForPipeline("audit")))
			if err := billing.Commit(t.Context(), txn(0, 0, 6)); err != nil {
				t.Fatal(err)
			}
			if at := restored(t, audit); at != 0 {
				t.Errorf("audit continues at billing's %d", at)
			}
			if err := audit.Commit(t.Context(), txn(0, 0, 3)); err != nil {
				t.Error(err)
			}
			if at := restored(t, billing); at != 6 {
				t.Errorf("billing continues at %d", at)
			}
		})
	})
	// Without its own name, the second pipeline would use the first one's offsets, and skip the records
	// before them.
	t.Run("is required for two groups", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			of := func(group string, tx stream.Txn[result]) stream.Txn[result] {
				tx.Groups = map[string]stream.GroupMetadata{"": {Group: group}}
				return tx
			}
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			if err := tx.Commit(t.Context(), of("billing", txn(0, 0, 3))); err != nil {
				t.Fatal(err)
			}
			for _, from := range []int64{0, 3} {
				err := tx.Commit(t.Context(), of("audit", txn(0, from, 6)))
				if !stream.IsPermanent(err) || !strings.Contains(err.Error(), "sink.ForPipeline") {
					t.Errorf("%v", err)
				}
			}
			if got := b.written(0); !slices.Equal(got, upTo(3)) {
				t.Errorf("written %v", got)
			}
		})
	})
}

func TestTable(t *testing.T) {
	t.Run("is missing: Open returns its statement", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := sink.SQL(b.db, insert)
			err := tx.(interface{ Open(context.Context) error }).Open(t.Context())
			if err == nil || !strings.Contains(err.Error(), "sink.CreateTable()") {
				t.Fatal(err)
			}
			_, statement, _ := strings.Cut(err.Error(), "run:\n")
			b.exec(statement)
			open(t, tx)
			if err := tx.Commit(t.Context(), txn(0, 0, 3)); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("may be created by many workers at once", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			var all sync.WaitGroup
			for range 8 {
				tx := sink.SQL(b.open(), insert, sink.CreateTable())
				all.Go(func() {
					if err := tx.(interface{ Open(context.Context) error }).Open(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	})
}
