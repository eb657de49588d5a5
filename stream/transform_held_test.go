package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// inPairs joins each element with the next.
func inPairs(_ ctx, in in, out out) error {
	for first := range in {
		second, ok := <-in
		if !ok {
			out <- first
			break
		}
		out <- first.Join(second)
	}
	return nil
}

func TestTransformHolds(t *testing.T) {
	t.Run("does not delay a Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "a1", "a2")
			j := start(t, l, commitNow(input.Transform("pair", inPairs).Serial(w.do).HaltOnError()))
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halted still: %v", hs)
			}
			put(l, 0, "a3")
			synctest.Wait()
			must(t, j.stop())
			j.committed(4)
		})
	})
	t.Run("does not delay a Resume with a batch that came late", func(t *testing.T) {
		pairs := func(_ ctx, in <-chan stream.Elem[[]string], out chan<- stream.Elem[[]string]) error {
			for first := range in {
				second, ok := <-in
				if !ok {
					out <- first
					break
				}
				out <- first.Join(second)
			}
			return nil
		}
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			finish, fail := w.hold("a0"), w.hold("b0")
			put(l, 0, "a0", "a1", "b0", "b1")
			batches := input.GroupByKey().Batch(2, 0).Concurrent(2, func(c ctx, b []string) error { return w.do(c, b[0]) })
			j := start(t, l, commitNow(batches.Transform("pairs", pairs).HaltOnError()))
			fail()
			synctest.Wait()
			h := j.halt()
			finish() // into the Transform
			synctest.Wait()
			must(t, j.Resume(h))
			synctest.Wait()
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halted still: %v", hs)
			}
			must(t, j.stop())
			j.committed(4)
		})
	})
	t.Run("delays a revoke only briefly", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "a2")
			j := join(t, l, commitNow(input.Transform("pair", inPairs).Serial(w.do)))
			must(t, j.member.Assign(0))
			synctest.Wait()
			began := time.Now()
			must(t, j.member.Revoke(0, 0))
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			j.committed(2)
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.stop())
			j.committed(3)
		})
	})
}
