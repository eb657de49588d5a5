package transact

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDoubt(t *testing.T) {
	// The caller gives up during a commit whose response is lost. The commit took place, and a second
	// attempt must be told to ask for the offsets first.
	t.Run("keeps a commit with an unknown outcome from being repeated", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			hearing, deaf := kafkatest.Deaf(w.transport)
			tx := w.open(t, "a", hearing, nil)
			w.commit(t, tx, 0, 10)
			w.unheard(t, tx, deaf, w.txn(10, 20))
			if err := tx.Commit(within(t, 20*time.Second), w.txn(10, 20)); !errors.Is(err, ErrDoubt) {
				t.Errorf("repeated: %v", err)
			}
			if at := w.stored(t, tx); at != 20 {
				t.Errorf("%d is stored", at)
			}
			w.commit(t, tx, 20, 30)
			w.exactly(t, 30)
		})
	})
	// Partitions in doubt together may come again apart, after others.
	t.Run("stays with each partition", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			hearing, deaf := kafkatest.Deaf(w.transport)
			tx := w.open(t, "a", hearing, nil)
			w.commit(t, tx, 0, 10)
			two := w.txn(10, 20)
			other := wire.TopicPartition{Topic: w.in, Partition: 0}
			two.Shares[0].Offsets[other] = Position{Offset: 5}
			w.unheard(t, tx, deaf, two)
			third := w.txn(0, 0)
			third.Shares[0].Offsets = map[wire.TopicPartition]Position{{Topic: w.out, Partition: 0}: {Offset: 1}}
			one := w.txn(0, 0)
			one.Shares[0].Offsets = map[wire.TopicPartition]Position{other: {Offset: 5}}
			if err := tx.Commit(within(t, 20*time.Second), third); err != nil {
				t.Errorf("a partition outside the transaction: %v", err)
			}
			for range 2 {
				if err := tx.Commit(within(t, 20*time.Second), one); !errors.Is(err, ErrDoubt) {
					t.Errorf("a partition of the transaction: %v", err)
				}
			}
			if err := tx.Commit(within(t, 20*time.Second), w.txn(10, 20)); !errors.Is(err, ErrDoubt) {
				t.Errorf("the other partition: %v", err)
			}
			if at := w.stored(t, tx); at != 20 {
				t.Errorf("%d is stored", at)
			}
			w.commit(t, tx, 20, 30)
			w.exactly(t, 30)
		})
	})
}

// unheard commits, and loses the response after the caller has given up.
func (w *world) unheard(t *testing.T, tx *Transactor, deaf *atomic.Bool, what Txn) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	once := sync.OnceFunc(func() {
		deaf.Store(true)
		cancel()
	})
	w.fake.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		once()
		return nil, nil, false
	})
	if err := tx.Commit(ctx, what); !errors.Is(err, ErrDoubt) {
		t.Errorf("the first time: %v", err)
	}
	deaf.Store(false)
}

func TestAbort(t *testing.T) {
	// A batch in flight could arrive after the abort. It would then belong to no transaction, or to the
	// next.
	t.Run("waits for batches in flight", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			ends := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answered := make(chan int, 10)
			w.fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				w.fake.SleepControl(func() {
					cancel()
					// the broker is slow; there is no event to wait for, since nothing may happen
					time.Sleep(100 * time.Millisecond)
				})
				answered <- ends.Hits()
				return nil, nil, false
			})
			if err := tx.Commit(ctx, w.txn(0, 10)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if n := <-answered; n != 0 {
				t.Errorf("the transaction was ended %d times while a batch was in flight", n)
			}
			w.commit(t, tx, 0, 10)
			w.exactly(t, 10)
		})
	})
}
