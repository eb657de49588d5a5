package stream_test

import (
	"testing"
	"testing/synctest"
)

func TestJoin(t *testing.T) {
	t.Run("goes on for the partition that is left, joined once or twice", func(t *testing.T) {
		twice := func(_ ctx, in in, out out) error {
			for first := range in {
				second, third := <-in, <-in
				out <- first.Join(second).Join(third)
			}
			return nil
		}
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			release := w.hold("a0")
			j := join(t, l, commitNow(input.Transform("join", twice).Serial(w.do)))
			must(t, j.member.Assign(0, 1))
			for i, v := range []string{"a0", "b0", "a1"} {
				put(l, i%2, v)
				synctest.Wait()
			}
			must(t, j.member.Lose(0))
			synctest.Wait()
			release()
			synctest.Wait()
			j.committed(-1, 1)
			must(t, j.stop())
		})
	})
}
