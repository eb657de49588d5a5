package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestLossBelowCommit(t *testing.T) {
	named := func(t *testing.T, err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w+" (lost, since it was committed") {
				t.Errorf("%s is lost and not named: %v", w, err)
			}
		}
	}
	t.Run("is not said to be reprocessed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0")
			err := start(t, l, input.CommitBefore(1, 0).Serial(w.do)).wait()
			if text := fmt.Sprint(err); !strings.Contains(text, "committed and is lost") || strings.Contains(text, "reprocessed") {
				t.Error(text)
			}
		})
	})
	t.Run("names records queued behind a failure", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, count("a", 3)...)
			release := w.hold("a0")
			j := start(t, l, input.CommitBefore(1, 0).Serial(w.do))
			j.committed(3)
			release()
			synctest.Wait()
			named(t, j.wait(), "t[0]@1", "t[0]@2")
			same(t, "started", w.tried(), []string{"a0"})
		})
	})
}

func TestLossInADrain(t *testing.T) {
	t.Run("leaves work below CommitBefore the rest of the drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0")
			put(l, 1, "b0")
			release := w.hold("a0")
			// the Batch is there since only such pipelines end what they hold in order
			each := input.CommitBefore(1, 0).Batch[[]string](1, 0).FlatMap(flat)
			j := join(t, l, each.GroupByPartition().Concurrent(2, w.do))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			ended := make(chan error, 1)
			go func() { ended <- j.stop() }()
			time.Sleep(time.Second)
			must(t, j.member.Lose(0))
			time.Sleep(time.Second)
			release()
			must(t, <-ended)
			if len(w.causes) > 0 {
				t.Errorf("the handler was cancelled: %v", w.causes)
			}
			j.committed(1, 1)
		})
	})
	t.Run("that is under way leaves it too", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hold, w := make(chan struct{}), newWork()
			release := w.hold("a0")
			chain := input.Tap(func(c ctx, v string) error {
				if v == "a1" {
					stream.OnSettled(c, func(bool) { <-hold })
				}
				return nil
			}).Batch[[]string](2, time.Hour).FlatMap(flat).CommitBefore(1, 0).Serial(w.do)
			src, p, stop := runByHand(t, chain)
			p.Feed([]string{"a0", "a0"}, inARow(0), 2, 2)
			p.Feed([]string{"a1"}, inARow(2), 3, 1)
			synctest.Wait()
			go src.in.Lose(errBoom, p)
			synctest.Wait()
			ended := make(chan error, 1)
			go func() { ended <- stop() }()
			time.Sleep(time.Second)
			release()
			must(t, <-ended)
			if len(w.causes) > 0 {
				t.Errorf("the handler was cancelled: %v", w.causes)
			}
			close(hold)
		})
	})
}
