package stream_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// What has finished above an unfinished record is not handled again.
func TestFinishedAhead(t *testing.T) {
	chain := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).HaltOnError())
	}
	// stuck is a log whose a0 waits for a retry while b and c have finished.
	stuck := func(t *testing.T) (*testLog, *job) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "a1", "b0", "c0", "b1")
		j := start(t, l, chain(w))
		sameSet(t, "done", w.done(), []string{"b0", "c0", "b1"})
		committed(t, l, 0)
		return l, j
	}
	again := func(t *testing.T, l *testLog) *work {
		w := newWork()
		j := start(t, l, chain(w))
		j.committed(l.End(0))
		must(t, j.stop())
		return w
	}

	t.Run("survives a drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, j := stuck(t)
			must(t, j.stop())
			same(t, "done by the next worker", again(t, l).done(), []string{"a0", "a1"})
		})
	})
	t.Run("survives a crash", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "a1", "b0", "c0", "b1")
			j := join(t, l, chain(w))
			must(t, j.member.Assign(0))
			synctest.Wait()
			j.member.Crash()
			if err := j.wait(); err == nil {
				t.Error("Run returned nil after a crash")
			}
			same(t, "done by the next worker", again(t, l).done(), []string{"a0", "a1"})
		})
	})
	t.Run("survives a second worker that finishes some more", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, j := stuck(t)
			must(t, j.stop())
			put(l, 0, "d0", "a2")
			w := newWork().fail("a0", errBoom)
			j = start(t, l, chain(w))
			same(t, "done by the second", w.done(), []string{"d0"})
			if as := heard[stream.Assigned](j); as[0].FinishedAhead != 3 {
				t.Errorf("assigned with %d finished ahead, want 3", as[0].FinishedAhead)
			}
			must(t, j.stop())
			same(t, "done by the third", again(t, l).done(), []string{"a0", "a1", "a2"})
		})
	})
	t.Run("survives a second worker that reads less", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			hold := w.hold("d0")
			hole := w.hold("e0")
			put(l, 0, "d0", "e0", "b0", "c0")
			j := start(t, l, chain(w), stream.DrainTimeout(time.Second))
			sameSet(t, "done", w.done(), []string{"b0", "c0"})
			if err := j.stop(); err == nil {
				t.Error("d0 was not waited for")
			}
			hold()
			hole()
			l.StopAt(0, 2) // e0, b0 and c0 are not read
			w = newWork().fail("a0", errBoom)
			j = start(t, l, chain(w))
			same(t, "done by the second", w.done(), []string{"d0"})
			must(t, j.stop())
			l.StopAt(0, -1)
			sameSet(t, "done by the third", again(t, l).done(), []string{"a0", "e0"})
		})
	})
	t.Run("is counted in the snapshot", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, j := stuck(t)
			if p := j.Snapshot().Partitions[0]; p.FinishedAhead != 3 || p.Totals.Uncommitted != 0 {
				t.Errorf("%d offsets finished ahead, %d records uncommitted; want 3 and 0", p.FinishedAhead, p.Totals.Uncommitted)
			}
		})
	})

	for name, spoil := range map[string]func(l *testLog){
		"is handled again if another client has committed": func(l *testLog) { l.SetCommitted(0, 0) },
		"is handled again if its state is damaged":         func(l *testLog) { l.SetState(0, l.State(0)[:len(l.State(0))-1]) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, j := stuck(t)
				must(t, j.stop())
				spoil(l)
				sameSet(t, "done by the next worker", again(t, l).done(), []string{"a0", "a1", "b0", "c0", "b1"})
			})
		})
	}
	t.Run("is reprocessed above the end of a truncated log", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, j := stuck(t)
			must(t, j.stop())
			l.Truncate(0, 3) // c0 and b1 are gone
			put(l, 0, "d0", "e0", "f0")
			sameSet(t, "done by the next worker", again(t, l).done(), []string{"a0", "a1", "d0", "e0", "f0"})
		})
	})
	t.Run("is reprocessed in a recreated topic", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, j := stuck(t)
			must(t, j.stop())
			state := l.State(0)
			l.Recreate()
			put(l, 0, "a0", "b0", "c0")
			l.SetCommitted(0, 0)
			l.SetState(0, state)
			sameSet(t, "done by the next worker", again(t, l).done(), []string{"a0", "b0", "c0"})
		})
	})
	t.Run("says why it is ignored", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, j := stuck(t)
			must(t, j.stop())
			l.SetState(0, strings.ToUpper(l.State(0)))
			j = start(t, l, chain(newWork()))
			es := slices.DeleteFunc(heard[stream.SourceEvent](j), func(e stream.SourceEvent) bool { return e.Name != "resume state dropped" })
			if len(es) != 1 || es[0].Err == nil || es[0].TopicPartition.String() != "t[0]" {
				t.Errorf("events: %v", es)
			}
		})
	})
	t.Run("grows while one record is stuck", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const n = 100_000
			l, w := newLog(1), newWork()
			put(l, 0, "a0")
			values := make([]string, n)
			for i := range values {
				values[i] = fmt.Sprintf("b%d", i)
			}
			l.Append(0, "", values...)
			release := w.hold("a0")
			j := start(t, l, input.Concurrent(64, w.do).CommitEvery(1000, time.Second))
			if got := len(w.done()); got != n {
				t.Errorf("%d have finished above one that is stuck, want %d", got, n)
			}
			if p := j.Snapshot().Partitions[0]; p.InFlight != 1 {
				t.Errorf("%d are in flight, want 1", p.InFlight)
			}
			release()
			must(t, j.stop())
			committed(t, l, n+1)
		})
	})
	t.Run("grows while the records of one key wait among others", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const n, apart = 40_000, 5000
			l, w := newLog(1), newWork()
			for range n / apart {
				put(l, 0, "a0")
				l.Append(0, "", slices.Repeat([]string{"b0"}, apart-1)...)
			}
			release := w.hold("a0")
			j := start(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(1000, time.Second))
			if p := j.Snapshot().Partitions[0]; p.Next != n || p.InFlight != n/apart {
				t.Errorf("read up to %d with %d in flight, want %d with %d", p.Next, p.InFlight, n, n/apart)
			}
			release()
			must(t, j.stop())
		})
	})
	t.Run("holds its lane with CommitEach until it is stored", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0", "b1")
			w.hold("a0")
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEach())
			ack := j.stallCommits()
			must(t, j.member.Assign(0))
			synctest.Wait()
			same(t, "done before the commit", w.done(), []string{"b0"})
			ack()
			synctest.Wait()
			same(t, "done after it", w.done(), []string{"b0", "b1"})
			w.release()
		})
	})
}

// A broker may take smaller states than it was told, or none.
func TestRefusedState(t *testing.T) {
	for _, limit := range []int{0, 60} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().fail("a0", errBoom)
				l.RefuseStates(limit)
				put(l, 0, "a0")
				for i := range 40 {
					put(l, 0, fmt.Sprint("b", i), "a1")
				}
				began := time.Now()
				j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).HaltOnError()))
				must(t, j.stop())
				if took := time.Since(began); took > 0 {
					t.Errorf("the drain took %v", took)
				}
				committed(t, l, 0)
				w = newWork()
				j = start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)))
				committed(t, l, 81)
				must(t, j.stop())
				if limit == 0 && len(w.done()) != 81 || limit > 0 && len(w.done()) >= 81 {
					t.Errorf("%d are done by the next worker", len(w.done()))
				}
			})
		})
	}
}

func TestDrainWithAState(t *testing.T) {
	t.Run("starts no record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "b0", "a2")
			release := w.hold("a0")
			j := start(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(100, time.Hour))
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			same(t, "done", w.done(), []string{"b0", "a0"})
			j.committed(1)
			w = newWork()
			must(t, start(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(100, time.Hour)).stop())
			same(t, "done by the next worker", w.done(), []string{"a1", "a2"})
		})
	})
	t.Run("takes as long as the slowest handler beside partitions with a backlog", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const slowest = time.Second
			l := newLog(4)
			for n := range 2000 {
				l.Append(n%4, fmt.Sprint("k", n%80), fmt.Sprint(n))
			}
			j := join(t, l, input.GroupByKey().Concurrent(8, func(_ ctx, v string) error {
				n, err := strconv.Atoi(v)
				time.Sleep(slowest * time.Duration(n*7919%1000) / 1000)
				return err
			}).CommitEvery(100, time.Second))
			must(t, j.member.Assign(0, 1, 2, 3))
			time.Sleep(10*time.Second + time.Nanosecond) // in the middle of handlers
			began := time.Now()
			must(t, j.member.Revoke(time.Minute, 0))
			if took := time.Since(began); took > slowest {
				t.Errorf("the revoke took %v with handlers of %v at most", took, slowest)
			}
			must(t, j.stop())
		})
	})
	t.Run("retries once more if the record waits in a later step", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, above, w := newLog(1), newWork(), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0")
			chain := input.GroupByKey().MapConcurrent(4, above.echo).Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).HaltOnError()
			must(t, start(t, l, commitNow(chain)).stop())
			committed(t, l, 2)
			sameSet(t, "tried", w.tried(), []string{"a0", "b0", "a0"})
		})
	})
	t.Run("gives up a record that waits in its first step", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0")
			must(t, start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).HaltOnError())).stop())
			committed(t, l, 0)
			sameSet(t, "tried", w.tried(), []string{"a0", "b0"})
		})
	})
}
