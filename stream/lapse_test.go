package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Once the source says that an assignment may be another worker's by now, nothing more of it is
// started, also before the source has lost it.
func TestExpired(t *testing.T) {
	var over *atomic.Bool
	begin := func() *hand {
		over = new(atomic.Bool)
		h := newHand(1)
		h.until = over.Load
		return h
	}
	t.Run("starts no further record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := begin(), newWork()
			release := w.hold("a")
			j := h.start(t, commitNow(h.chain().GroupByPartition().Serial(w.do)))
			h.feed(0, 1, "a")
			h.feed(0, 1, "b")
			synctest.Wait()
			over.Store(true)
			release()
			synctest.Wait()
			same(t, "tried", w.tried(), []string{"a"})
			if n := len(heard[stream.Lost](j)); n != 1 {
				t.Errorf("it was lost %d times", n)
			}
		})
	})
	t.Run("retries nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := begin(), newWork().fail("a", errBoom)
			h.start(t, commitNow(h.chain().GroupByPartition().Serial(w.do).RetryOnError(every(time.Minute, 3))))
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			same(t, "tried", w.tried(), []string{"a"})
		})
	})
	t.Run("flushes no batch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, batches := begin(), 0
			launch(t, nil, nil, commitNow(h.chain().Batch(10, time.Minute).Serial(func(context.Context, []string) error { batches++; return nil })))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			if batches > 0 {
				t.Errorf("%d batches were worked on", batches)
			}
		})
	})
	t.Run("starts no transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, b := begin(), newVault()
			launch(t, nil, nil, h.chain().CommitWith(b, 10, time.Minute))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			same(t, "transactions", b.written(), nil)
		})
	})
}
