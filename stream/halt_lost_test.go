package stream_test

import (
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

func TestHaltLost(t *testing.T) {
	t.Run("no longer ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			release := w.hold("b0")
			w.deaf = true
			put(l, 0, "b0")
			j := join(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError()))
			must(t, j.member.Assign(0))
			synctest.Wait() // b0 has started; the halt would drop it from the queue
			put(l, 0, "a0")
			synctest.Wait()
			must(t, j.Skip(j.halt())) // it waits for b0
			must(t, j.member.Lose(0))
			release()
			synctest.Wait()
			if rs, ss := heard[stream.Resumed](j), heard[stream.Skipped](j); len(rs)+len(ss) > 0 {
				t.Errorf("after the loss it was told: %v, %v", rs, ss)
			}
			must(t, j.stop())
		})
	})
}
