package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// A partition is read for as long as a state has space, and never less far than without one.
func TestRoomAhead(t *testing.T) {
	for _, limit := range []int{0, 30, 60, 90} {
		t.Run(fmt.Sprintf("remains where states of more than %d bytes are refused", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				l.RefuseStates(limit)
				l.Append(0, "", count("b", 10_000)...)
				j := start(t, l, commitNow(input.Concurrent(8, w.do)), stream.MaxInFlight(100))
				elapse(time.Hour)
				if n := len(w.done()); n != 10_000 {
					t.Errorf("%d of 10000 are done", n)
				}
				must(t, j.stop())
			})
		})
	}
	for _, stuck := range []int{1, 4, 8} {
		t.Run(fmt.Sprintf("remains beside %d stuck records", stuck), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const n = 100_000
				l, w, vs := newLog(1), newWork(), count("b", n)
				for i := range stuck {
					w.hold(vs[i*300])
				}
				l.Append(0, "", vs...)
				j := start(t, l, input.Concurrent(64, w.do).CommitEvery(1000, time.Second))
				elapse(time.Hour)
				if got := len(w.done()); got != n-stuck {
					t.Errorf("%d are done, want %d", got, n-stuck)
				}
				w.release()
				must(t, j.stop())
			})
		})
	}
	for _, most := range []int{2, 3, 5} {
		t.Run(fmt.Sprintf("remains beside one stuck record with MaxInFlight(%d)", most), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w, vs := newLog(1), newWork(), count("b", 100)
				w.hold(vs[0])
				l.Append(0, "", vs...)
				j := start(t, l, commitNow(input.Concurrent(64, w.do)), stream.MaxInFlight(most))
				elapse(time.Hour)
				if got := len(w.done()); got != 99 {
					t.Errorf("%d are done, want 99", got)
				}
				w.release()
				must(t, j.stop())
			})
		})
	}
	t.Run("wakes the source though every slab has a stuck record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const n = 3000
			l, w, vs := newLog(1), newWork(), count("b", n)
			for i := 0; i < 1000; i += 100 {
				w.hold(vs[i])
			}
			w.takes = time.Millisecond
			l.Append(0, "", vs...)
			j := start(t, l, input.Concurrent(2000, w.do).CommitEvery(1_000_000, time.Hour), stream.MaxInFlight(100))
			elapse(time.Minute)
			if got := len(w.done()); got != n-10 {
				t.Errorf("%d are done before any commit, want %d", got, n-10)
			}
			w.release()
			must(t, j.stop())
		})
	})
}

// A state may have no space for a record that has finished: then no lane waits for it.
func TestCommitEachWithoutSpace(t *testing.T) {
	for _, limit := range []int{0, 4096} {
		refusing := func(values ...string) *testLog {
			l := newLog(1)
			l.RefuseStates(limit)
			put(l, 0, values...)
			return l
		}
		t.Run(fmt.Sprintf("releases the lane of a record above one that waits, limit %d", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWork().fail("a0", errBoom)
				j := start(t, refusing("a0", "b0", "b1", "b2"), input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).CommitEach())
				elapse(time.Minute)
				sameSet(t, "done", w.done(), []string{"b0", "b1", "b2"})
				must(t, j.stop())
			})
		})
		t.Run(fmt.Sprintf("releases a lane that the record below is in, limit %d", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				above, w := newWork(), newWork()
				release := above.hold("a0")
				j := start(t, refusing("a0", "b0"), input.GroupByKey().MapConcurrent(4, above.echo).Ungroup().
					GroupBy(func(string) string { return "x" }).Concurrent(4, w.do).CommitEach())
				elapse(time.Minute)
				release()
				elapse(time.Minute)
				same(t, "done", w.done(), []string{"b0", "a0"})
				must(t, j.stop())
				j.committed(2)
			})
		})
		t.Run(fmt.Sprintf("lets a drain flush a batch at once, limit %d", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := func(ctx, []string) error { return nil }
				j := start(t, refusing("a0", "b0", "b1"), input.GroupByKey().Batch(2, 0).Concurrent(4, store).CommitEach())
				elapse(time.Minute)
				began := time.Now()
				must(t, j.stop())
				if took := time.Since(began); took > 0 {
					t.Errorf("the drain took %v", took)
				}
				j.committed(3)
			})
		})
	}
}

// What a later step does in order is not undone by reprocessing an earlier record alone.
func TestStateKeepsOrder(t *testing.T) {
	for _, crash := range []bool{true, false} {
		t.Run(fmt.Sprintf("of a keyed step above Ungroup, after a crash: %t", crash), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0", "a1")
				table := map[string]string{} // the last value of each key
				upsert := func(_ ctx, v string) (string, error) { table[v[:1]] = v; return v, nil }
				bad := true
				write := func(_ ctx, b []string) error {
					if bad && b[0] == "a0" {
						return errBoom
					}
					return nil
				}
				chain := func() stream.Stream[[]string] {
					return commitNow(input.GroupByKey().MapConcurrent(64, upsert).Ungroup().Batch(1, 0).Concurrent(4, write).RetryOnError(every(time.Hour, 30)))
				}
				j := join(t, l, chain())
				must(t, j.member.Assign(0))
				elapse(time.Second)
				if crash {
					j.member.Crash()
					<-j.ended
				} else {
					must(t, j.stop())
				}
				bad = false
				j = start(t, l, chain())
				elapse(time.Minute)
				must(t, j.stop())
				committed(t, l, 2)
				if table["a"] != "a1" {
					t.Errorf("all is committed, and the table has %v, want a1", table)
				}
			})
		})
	}
}

func TestDrainOfWaits(t *testing.T) {
	t.Run("keeps the last attempt for the next worker", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, above, w := newLog(1), newWork(), newWork().fail("a0", errBoom, errBoom)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.GroupByKey().MapConcurrent(4, above.echo).Concurrent(4, w.do).RetryOnError(every(time.Hour, 2)).SkipOnError()))
			must(t, j.stop())
			j.committed(0)
		})
	})
	for name, chain := range map[string]func(down func(ctx, string) error) stream.Stream[string]{
		"below a decoding step": func(down func(ctx, string) error) stream.Stream[string] {
			return input.Map(echo).GroupByKey().Concurrent(4, down)
		},
		"below a step with effects": func(down func(ctx, string) error) stream.Stream[string] {
			return input.GroupByKey().MapConcurrent(4, echo).Concurrent(4, down)
		},
	} {
		t.Run("ends soon in an outage "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				for i := range 200 {
					l.Append(0, fmt.Sprint("k", i), fmt.Sprint("k", i))
				}
				down := func(ctx, string) error { time.Sleep(time.Second); return errBoom }
				j := start(t, l, chain(down).RetryOnError(every(time.Hour, 15)).CommitEvery(100, time.Second))
				elapse(10 * time.Minute)
				began := time.Now()
				must(t, j.stop())
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("the drain took %v", took)
				}
			})
		})
	}
}
