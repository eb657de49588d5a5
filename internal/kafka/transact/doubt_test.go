package transact

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Nobody waits any more for a commit that is on its way, and its answer is lost: it happened all
// the same, and whoever tries again is told to look first.
func TestACommitWhoseEndIsUnknownIsNotRepeated(t *testing.T) {
	protocols(t, func(t *testing.T, w *world) {
		hearing, deaf := kafkatest.Deaf()
		tx := w.open(t, "a", hearing, nil)
		w.commit(t, tx, 0, 10)
		w.unheard(t, tx, deaf, w.txn(10, 20))
		if err := tx.Commit(within(t, 20*time.Second), w.txn(10, 20)); !errors.Is(err, ErrDoubt) {
			t.Errorf("done again: %v", err)
		}
		if at := w.stored(t, tx); at != 20 {
			t.Errorf("%d is stored", at)
		}
		w.commit(t, tx, 20, 30)
		w.exactly(t, 30)
	})
}

// What was in doubt together may come again apart, behind others that have nothing to do with it.
func TestADoubtStaysWithEachPartition(t *testing.T) {
	protocols(t, func(t *testing.T, w *world) {
		hearing, deaf := kafkatest.Deaf()
		tx := w.open(t, "a", hearing, nil)
		w.commit(t, tx, 0, 10)
		two := w.txn(10, 20)
		other := produce.TP{Topic: w.in, Partition: 0}
		two.Offsets[other] = Position{Offset: 5}
		w.unheard(t, tx, deaf, two)
		third := w.txn(0, 0)
		third.Offsets = map[produce.TP]Position{{Topic: w.out, Partition: 0}: {Offset: 1}}
		one := w.txn(0, 0)
		one.Offsets = map[produce.TP]Position{other: {Offset: 5}}
		if err := tx.Commit(within(t, 20*time.Second), third); err != nil {
			t.Errorf("a partition that was not in it: %v", err)
		}
		for range 2 {
			if err := tx.Commit(within(t, 20*time.Second), one); !errors.Is(err, ErrDoubt) {
				t.Errorf("a partition that was in it: %v", err)
			}
		}
		if err := tx.Commit(within(t, 20*time.Second), w.txn(10, 20)); !errors.Is(err, ErrDoubt) {
			t.Errorf("the other: %v", err)
		}
		if at := w.stored(t, tx); at != 20 {
			t.Errorf("%d is stored", at)
		}
		w.commit(t, tx, 20, 30)
		w.exactly(t, 30)
	})
}

// unheard commits, and loses the answer while nobody waits for it any more.
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

// What is on its way could arrive behind the end, and would then belong to no transaction, or to
// the next.
func TestAnAbortWaitsForWhatIsOnItsWay(t *testing.T) {
	protocols(t, func(t *testing.T, w *world) {
		tx := w.open(t, "a", nil, nil)
		ends := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answered := make(chan int, 10)
		w.fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.fake.SleepControl(func() {
				cancel()
				// the broker is slow: there is no event to wait for where nothing is to happen
				time.Sleep(100 * time.Millisecond)
			})
			answered <- ends.Hits()
			return nil, nil, false
		})
		if err := tx.Commit(ctx, w.txn(0, 10)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := <-answered; n != 0 {
			t.Errorf("the transaction was ended %d times while a batch was on its way", n)
		}
		w.commit(t, tx, 0, 10)
		w.exactly(t, 10)
	})
}
