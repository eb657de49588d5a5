package stream_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

func TestJoin(t *testing.T) {
	t.Run("is refused across partitions if no commit can cover both", func(t *testing.T) {
		chains := map[string]func(stream.Stream[string]) stream.Stream[string]{
			"CommitBefore": func(s stream.Stream[string]) stream.Stream[string] { return s.CommitBefore(1, 0).Serial(pass) },
			"CommitWith":   func(s stream.Stream[string]) stream.Stream[string] { return s.CommitWith(newDatabase(), 1, 0) },
		}
		for word, commit := range chains {
			t.Run(word, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(2)
					put(l, 0, "a")
					put(l, 1, "b")
					j := start(t, l, commit(input.Transform("join", inPairs)))
					if err := j.stop(); err == nil || !strings.Contains(err.Error(), "different partitions above "+word) {
						t.Errorf("the pipeline ended with %v", err)
					}
				})
			})
		}
	})
	t.Run("continues for the partition that is left, joined once or twice", func(t *testing.T) {
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
