package sqltest

import (
	"errors"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// with returns a transaction with a state.
func with(state string, tx stream.Txn[result]) stream.Txn[result] {
	for tp, r := range tx.Offsets {
		r.State = state
		tx.Offsets[tp] = r
	}
	return tx
}

// A state is stored under the same compare-and-set as its offset.
func TestState(t *testing.T) {
	each(t, func(t *testing.T, b *backend) {
		makeTable(t, b)
		worker := func() stream.Transactor[result] { return sink.SQL(b.open(), insert) }
		reset := func() { b.exec(`DELETE FROM laneway_offsets`); b.exec(`DELETE FROM results`) }
		reset()

		t.Run("is stored with an offset, and replaced with the next", func(t *testing.T) {
			defer reset()
			tx := worker()
			commit(t, tx, with("lw1:one", txn(0, 0, 3)))
			if at := assigned(t, tx, stream.TopicID{}); at != (stream.Position{Offset: 3, State: "lw1:one"}) {
				t.Errorf("restored %+v", at)
			}
			commit(t, tx, txn(0, 3, 5))
			if at := assigned(t, tx, stream.TopicID{}); at != (stream.Position{Offset: 5}) {
				t.Errorf("restored %+v", at)
			}
		})
		t.Run("is stored alone", func(t *testing.T) {
			defer reset()
			tx := worker()
			commit(t, tx, with("lw1:first", txn(0, 0, 0)))
			if at := assigned(t, tx, stream.TopicID{}); at != (stream.Position{State: "lw1:first"}) {
				t.Errorf("restored %+v", at)
			}
			commit(t, tx, txn(0, 0, 3))
			commit(t, tx, with("lw1:second", txn(0, 3, 3)))
			if at := assigned(t, tx, stream.TopicID{}); at != (stream.Position{Offset: 3, State: "lw1:second"}) {
				t.Errorf("restored %+v", at)
			}
		})
		t.Run("of a worker that has lost the partition is not stored", func(t *testing.T) {
			defer reset()
			before, after := worker(), worker()
			commit(t, before, txn(0, 0, 3))
			commit(t, after, with("lw1:new", txn(0, 3, 5)))
			var fenced *stream.FencedError
			if err := before.Commit(t.Context(), with("lw1:old", txn(0, 3, 3))); !errors.As(err, &fenced) {
				t.Errorf("Commit: %v", err)
			}
			if at := assigned(t, after, stream.TopicID{}); at != (stream.Position{Offset: 5, State: "lw1:new"}) {
				t.Errorf("restored %+v", at)
			}
		})
	})
}
