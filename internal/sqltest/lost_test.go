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

const end = 9 // number of records of a partition

// work commits the records of partition 0 to the end, like a pipeline. A failed transaction is
// repeated with one more record, by tx, or by another process that takes over at the restored
// offset.
func work(t *testing.T, tx stream.Transactor[result], takeOver func() stream.Transactor[result]) {
	t.Helper()
	from := restored(t, tx)
	to := min(from+3, end)
	for failures := 0; from < end; {
		err := tx.Commit(t.Context(), txn(0, from, to))
		var fenced *stream.FencedError
		switch {
		case err == nil:
			from, to = to, min(to+3, end)
		case errors.As(err, &fenced):
			t.Fatalf("fenced without a rival: %v", err)
		case failures > 0:
			t.Fatalf("a second failure after one fault: %v", err)
		case takeOver != nil:
			tx = takeOver()
			from = restored(t, tx)
			to = min(from+3, end)
			failures++
		default:
			to = min(to+1, end)
			failures++
		}
	}
}

func restored(t *testing.T, tx stream.Transactor[result]) int64 {
	t.Helper()
	offsets, err := tx.Restore(t.Context(), parts(place(0)))
	if err != nil {
		t.Fatal(err)
	}
	return offsets[place(0)].Offset // a log starts at 0
}

// breakEverywhere runs the work once for each call to the database with the connection broken
// before the call, and once with its response lost.
func breakEverywhere(t *testing.T, b *backend, takeOver func() stream.Transactor[result]) {
	t.Helper()
	makeTable(t, b)
	for lost, at := 0, 1; ; at++ {
		for _, after := range []bool{false, true} {
			b.exec(`DELETE FROM results`)
			b.exec(`DELETE FROM laneway_offsets`)
			f := &fault{after: after, hits: func(call int, _ string) bool { return call >= at }}
			db := b.openBroken(f)
			work(t, sink.SQL(db, insert), takeOver)
			_ = db.Close()
			if f.hit() == "" {
				if lost < 3 {
					t.Fatalf("the responses of only %d commits were lost", lost)
				}
				return
			}
			if f.hit() == "COMMIT" && after {
				lost++
			}
			if got := b.written(0); !slices.Equal(got, upTo(end)) {
				t.Fatalf("call %d (%s) broken, after it %v: written %v, want each once: %v", at, f.hit(), after, got, upTo(end))
			}
			if n := b.number(`SELECT next_offset FROM laneway_offsets`); n != end {
				t.Fatalf("call %d (%s) broken, after it %v: the offset is %d", at, f.hit(), after, n)
			}
		}
	}
}

func TestLostConnection(t *testing.T) {
	t.Run("loses and repeats nothing", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) { breakEverywhere(t, b, nil) })
	})
	t.Run("of a worker that dies loses and repeats nothing", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			breakEverywhere(t, b, func() stream.Transactor[result] { return sink.SQL(b.db, insert) })
		})
	})
	// A commit succeeded, its response was lost, and a rival continued from there. The rival's offset
	// must not be taken for the lost response.
	t.Run("fences after a rival has continued", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			f := &fault{after: true, hits: func(_ int, what string) bool { return what == "COMMIT" }}
			ours := open(t, sink.SQL(b.openBroken(f), insert, sink.CreateTable()))
			if err := ours.Commit(t.Context(), txn(0, 0, 3)); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
			theirs := sink.SQL(b.db, insert)
			if err := theirs.Commit(t.Context(), txn(0, restored(t, theirs), 5)); err != nil {
				t.Fatal(err)
			}
			var fenced *stream.FencedError
			if err := ours.Commit(t.Context(), txn(0, 0, 6)); !errors.As(err, &fenced) || !slices.Equal(fenced.Partitions, []stream.TopicPartition{place(0)}) {
				t.Errorf("want a FencedError, got: %v", err)
			}
			if got := b.written(0); !slices.Equal(got, upTo(5)) {
				t.Errorf("written %v, want %v", got, upTo(5))
			}
		})
	})
	// A write that names results by index gets only those that are not written yet. The pipeline
	// expects indices into all of its results.
	t.Run("keeps the indices of partial errors", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			f := &fault{after: true, hits: func(_ int, what string) bool { return what == "COMMIT" }}
			bad := errors.New("bad")
			write := func(ctx context.Context, tx *sql.Tx, rs []result) error {
				for i, r := range rs {
					if r.value == 6 {
						return &stream.PartialError{Errs: map[int]error{i: bad}}
					}
				}
				return insert(ctx, tx, rs)
			}
			tx := open(t, sink.SQL(b.openBroken(f), write, sink.CreateTable()))
			if err := tx.Commit(t.Context(), txn(0, 0, 4)); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
			all := txn(0, 0, 9)
			var partial *stream.PartialError
			if err := tx.Commit(t.Context(), all); !errors.As(err, &partial) || len(partial.Errs) != 1 {
				t.Fatal(err)
			}
			for i := range partial.Errs {
				if all.Elems[i].Value.value != 6 {
					t.Errorf("result %d is named, want 6", all.Elems[i].Value.value)
				}
			}
			if err := tx.Commit(t.Context(), txn(0, 0, 6)); err != nil {
				t.Error(err)
			}
			if got := b.written(0); !slices.Equal(got, upTo(6)) {
				t.Errorf("written %v, want %v", got, upTo(6))
			}
		})
	})
}

func makeTable(t *testing.T, b *backend) {
	t.Helper()
	open(t, sink.SQL(b.db, insert, sink.CreateTable()))
}

// open opens a transactor, as a pipeline does before its source starts.
func open(t *testing.T, tx stream.Transactor[result]) stream.Transactor[result] {
	t.Helper()
	if err := tx.(interface{ Open(context.Context) error }).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tx
}
