package stream_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// A halt that ends by itself holds up the end of a finite source until its records are back.
func TestResumedIsTold(t *testing.T) {
	for word, policy := range map[string]func(stream.Stream[string], ...stream.PolicyOption) stream.Stream[string]{
		"HaltOnError": stream.Stream[string].HaltOnError,
		"ParkOnError": stream.Stream[string].ParkOnError,
	} {
		t.Run("before the end of a finite source: "+word, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(2), newWork().fail("b0", errBoom)
				put(l, 0, "b0")
				put(l, 1, "a0")
				l.Finish()
				end, told := w.hold("a0"), make(chan struct{})
				resumed := stream.Observer{Event: func(e stream.Event) {
					if _, ok := e.(stream.Resumed); ok {
						<-told
					}
				}}
				s := policy(input.GroupByKey().Concurrent(4, w.do), stream.ResumeAfter(time.Minute)).Batch(10, 0)
				j := start(t, l, commitNow(s), stream.Observe(resumed))
				elapse(2 * time.Minute)
				end()
				synctest.Wait()
				close(told)
				must(t, j.wait())
				j.committed(1, 1)
			})
		})
	}
}

// What a halt has put back is worked off, however long its end was unseen behind another partition.
func TestFiniteSource(t *testing.T) {
	for word, policy := range map[string]func(stream.Stream[string], ...stream.PolicyOption) stream.Stream[string]{
		"HaltOnError": stream.Stream[string].HaltOnError,
		"ParkOnError": stream.Stream[string].ParkOnError,
	} {
		t.Run("finishes records that are put back while another partition works: "+word, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(2), newWork().fail("b0", errBoom)
				put(l, 0, count("b", 9)...)
				put(l, 1, "a0")
				l.Finish()
				a, b := w.hold("a0"), w.hold("b1")
				j := start(t, l, commitNow(policy(input.GroupByKey().Concurrent(4, w.do), stream.ResumeAfter(time.Minute))))
				elapse(time.Hour) // the halt is over, and b1 works
				a()
				synctest.Wait()
				b()
				must(t, j.wait())
				same(t, "b", w.doneOf("b"), count("b", 9))
				j.committed(9, 1)
			})
		})
	}
	t.Run("commits what comes back during a request of its last commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b1", errBoom)
			put(l, 0, "a0", "b1")
			s := input.GroupByKey().Concurrent(4, w.do).HaltOnError(stream.ResumeAfter(time.Minute))
			j := join(t, l, s.CommitEvery(1000, 0, stream.ByCountOnly()))
			j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
				time.Sleep(time.Hour) // the answer is late, and b1 has finished
				return nil
			})
			fail := w.hold("b1")
			must(t, j.member.Assign(0))
			l.Finish()
			synctest.Wait()
			fail()
			must(t, j.wait())
			j.committed(2)
		})
	})
	// Also if the halt ends while the last commit is tried again.
	keyed := func(w *work) strs { return input.GroupByKey().Concurrent(4, w.do) }
	for name, chain := range map[string]func(w *work) strs{
		"of a halt": func(w *work) strs { return keyed(w).HaltOnError(stream.ResumeAfter(time.Minute)) },
		"of a park": func(w *work) strs { return keyed(w).ParkOnError(stream.ResumeAfter(time.Minute)) },
		"of a halt above a Batch": func(w *work) strs {
			return keyed(w).HaltOnError(stream.ResumeAfter(time.Minute)).Batch(10, 0).FlatMap(flat)
		},
	} {
		t.Run("finishes records that are put back during its last commit: "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().fail("b1", errBoom)
				w.takes = 10 * time.Second
				put(l, 0, "a0", "b1", "b2", "b3")
				j := join(t, l, commitNow(chain(w)))
				var back atomic.Bool // the broker
				j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
					if back.Load() {
						return nil
					}
					return errBoom
				})
				must(t, j.member.Assign(0))
				l.Finish()
				for len(heard[stream.Resumed](j)) == 0 {
					elapse(time.Second)
				}
				back.Store(true)
				must(t, j.wait())
				j.committed(4)
			})
		})
	}
}
