package stream_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Each failure of many costs a bounded number of calls, wherever its culprits are.

// culprits is some of n elements.
var culprits = map[string]func(all []string) []string{
	"the first":      func(all []string) []string { return all[:1] },
	"the last":       func(all []string) []string { return all[len(all)-1:] },
	"the middle":     func(all []string) []string { return all[len(all)/2 : len(all)/2+1] },
	"first and last": func(all []string) []string { return []string{all[0], all[len(all)-1]} },
	"neighbours":     func(all []string) []string { return all[len(all)/2-1 : len(all)/2+1] },
	"all":            func(all []string) []string { return all },
}

// forEachSearch runs test with n elements and culprits among them, and the bounds that hold then.
func forEachSearch(t *testing.T, test func(t *testing.T, all, bad []string, calls, seen int)) {
	for _, n := range []int{2, 3, 7, 64, 500} {
		for who, of := range culprits {
			t.Run(fmt.Sprintf("%s of %d", who, n), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					all, log := count("a", n), math.Log2(float64(n))
					test(t, all, of(all), int(4*math.Ceil(log)+8), int(log+2))
				})
			})
		}
	}
}

func TestBisectIsBounded(t *testing.T) {
	for name, chain := range map[string]func(n int, s *batchStore) stream.Stream[string]{
		"by partition": func(n int, s *batchStore) stream.Stream[string] {
			return input.GroupByPartition().Batch(n, time.Second).Tap(s.store, stream.Bisect()).SkipOnError().FlatMap(flat)
		},
		"by key": func(n int, s *batchStore) stream.Stream[string] {
			return input.GroupByKey().Batch(n, time.Second).MapConcurrent(4, s.join, stream.Bisect()).SkipOnError()
		},
		"in no order": func(n int, s *batchStore) stream.Stream[string] {
			return input.Batch(n, time.Second).MapConcurrent(4, s.join, stream.Bisect()).SkipOnError()
		},
		"in no order, with results in order": func(n int, s *batchStore) stream.Stream[string] {
			return input.Batch(n, time.Second).MapConcurrent(4, s.join, stream.Bisect(), stream.KeepOrder()).SkipOnError()
		},
	} {
		t.Run(name, func(t *testing.T) {
			forEachSearch(t, func(t *testing.T, all, bad []string, calls, seen int) {
				l, s := newLog(1), newBatchStore(bad...)
				put(l, 0, all...)
				j := start(t, l, commitNow(chain(len(all), s)))
				elapse(time.Minute)
				j.committed(int64(len(all)))
				writes := 0
				for _, c := range s.called() {
					if len(c) == len(all) {
						writes++
					}
				}
				if n := len(s.called()); n > writes+calls || writes > 1 {
					t.Errorf("%d calls, %d of all, at most %d", n, writes, calls)
				}
				good := without(all, bad...)
				sameSet(t, "kept", s.kept, good)
				for _, v := range good {
					if s.seen[v] > seen {
						t.Errorf("%s was seen %d times, at most %d", v, s.seen[v], seen)
					}
				}
				if got := heard[stream.Skipped](j); len(got) != len(bad) {
					t.Errorf("%d are given up", len(got))
				}
			})
		})
	}
}

func TestBisectTransactionIsBounded(t *testing.T) {
	forEachSearch(t, func(t *testing.T, all, bad []string, calls, _ int) {
		l, b := newLog(1), newDatabase().poison(bad...)
		put(l, 0, all...)
		j := start(t, l, input.CommitWith(b, len(all), time.Second).HaltOnError())
		before := 0
		for i := range min(len(bad), 3) { // one search each
			elapse(time.Minute)
			if h := j.halt(); h.Value != bad[i] || h.Last != h.Meta.Offset {
				t.Fatal(h)
			}
			if n := b.calls() - before; n > 1+calls {
				t.Errorf("%d calls, at most %d", n, 1+calls)
			}
			before = b.calls()
			must(t, j.Skip(j.halt()))
		}
		must(t, j.stop())
	})
}

// All partitions but one have a culprit, so one search cannot find them all.
func TestBisectTransactionUsesItsCallsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const partitions = 64
		l, b := newLog(partitions), newDatabase()
		var bad []string
		// what has waited longest is tried first
		good, rest := count("p0-", 2), map[int][]string{}
		for p := 1; p < partitions; p++ {
			rest[p] = count(fmt.Sprint("p", p, "-"), 2)
			bad = append(bad, rest[p][0])
		}
		b.poison(bad...)
		type search struct{ n, calls int }
		var searches []search
		under, n, before := false, 0, 0
		observe := stream.Observe(stream.Observer{Event: func(e stream.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			switch e := e.(type) {
			case stream.StepEvent:
				if _, err := fmt.Sscanf(e.Text, "a transaction of %d results", &n); err == nil {
					under, before = true, b.tries
				}
			case stream.AttemptFailed: // of what the search has found
				if under {
					searches = append(searches, search{n, b.tries - before})
				}
				under = false
			}
		}})
		j := start(t, l, input.CommitWith(b, 2*partitions, time.Second).HaltOnError(), observe)
		put(l, 0, good...)
		elapse(time.Millisecond)
		for p, all := range rest {
			put(l, p, all...)
		}
		elapse(time.Minute)
		usedUp := false
		for _, s := range searches {
			most := int(4*math.Ceil(math.Log2(float64(s.n))) + 8)
			if s.calls > most {
				t.Errorf("%d calls for %d results, at most %d", s.calls, s.n, most)
			}
			usedUp = usedUp || s.calls == most
		}
		if !usedUp {
			t.Errorf("no search has used its calls up: %v", searches)
		}
		if hs := j.Halts(); len(hs) != partitions-1 {
			t.Errorf("%d halts, want %d", len(hs), partitions-1)
		}
		must(t, j.stop())
	})
}
