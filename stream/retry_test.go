package stream_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestRetry(t *testing.T) {
	t.Run("runs its step alone, on its own input", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork().fail("a", errBoom, errBoom)
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.MapSerial(first.echo).Serial(second.do).RetryOnError(every(time.Second, 3))))
			elapse(time.Minute)
			same(t, "first step", first.tried(), []string{"a", "b"})
			same(t, "second step", second.tried(), []string{"a", "a", "a", "b"})
			j.committed(2)
			if got := heard[stream.Retrying](j); len(got) != 2 || got[0].Wait != time.Second || got[1].Attempts != 2 || got[0].Meta.Offset != 0 {
				t.Errorf("events: %v", got)
			}
		})
	})
	t.Run("holds its lane", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0", "a1", "b1")
			start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).RetryOnError(every(time.Second, 3))))
			same(t, "while a0 waits", w.done(), []string{"b0", "b1"})
			elapse(time.Second)
			same(t, "of key a", w.doneOf("a"), []string{"a0", "a1"})
		})
	})
	t.Run("holds no worker while it waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom).fail("b", errBoom).fail("c", errBoom)
			put(l, 0, "a", "b", "c", "d", "e")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).RetryOnError(every(time.Hour, 3))))
			same(t, "while three wait", w.done(), []string{"d", "e"})
			if s := j.Snapshot(); s.Retrying != 3 || s.Waiting != 3 {
				t.Errorf("%d retry, %d wait, want 3", s.Retrying, s.Waiting)
			}
			elapse(2 * time.Hour)
			j.committed(5)
			if w.peak() != 1 {
				t.Errorf("%d at a time, the degree is 1", w.peak())
			}
		})
	})
	t.Run("holds no worker inside a FlatMap", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a2", errBoom)
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.GroupByKey().FlatMap(thrice).Concurrent(1, w.do).RetryOnError(every(time.Second, 3))))
			same(t, "while a2 waits", w.done(), []string{"a1", "b1", "b2", "b3"})
			elapse(time.Second)
			same(t, "of key a", w.doneOf("a"), []string{"a1", "a2", "a3"})
			j.committed(2)
		})
	})
	t.Run("turns an outage into backpressure at MaxWaiting", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			vs := []string{}
			for _, k := range "abcdefghij" {
				w.fail(string(k), errBoom)
				vs = append(vs, string(k))
			}
			put(l, 0, vs...)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).RetryOnError(every(time.Hour, 3))), stream.MaxWaiting(3))
			// Three waits hold no worker, two more hold theirs: then nothing is left to begin the
			// sixth.
			if n := len(w.tried()); n != 5 {
				t.Errorf("%d started, want 3 that wait without a worker and 2 that hold theirs", n)
			}
			elapse(10 * time.Hour)
			sameSet(t, "done", w.done(), vs)
			j.committed(10)
		})
	})
	t.Run("ends at a permanent error", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a", stream.Permanent(errBoom))
			put(l, 0, "a", "b")
			var seen []stream.Failure
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(every(time.Second, 5)).SkipOnError(stream.OnMatch(func(_ ctx, f stream.Failure) { seen = append(seen, f) }))))
			same(t, "tried", w.tried(), []string{"a", "b"})
			j.committed(2)
			if len(seen) != 1 || seen[0].Attempts != 1 || seen[0].Err.Error() != "boom" || !stream.IsPermanent(seen[0].Err) {
				t.Errorf("watched: %v", seen)
			}
		})
	})
}

func TestRetryPolicy(t *testing.T) {
	t.Run("of zero outlives a database that restarts in 40 s", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a", errBoom)
			put(l, 0, "a")
			began := time.Now()
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{}).SkipOnError()))
			must(t, l.WaitCommitted(t.Context(), 0, 1))
			if took := time.Since(began); took < 41*time.Second || took > 83*time.Second {
				t.Errorf("it gave up after %v", took)
			}
			same(t, "tried", w.tried(), slices.Repeat([]string{"a"}, 15))
			for i, r := range heard[stream.Retrying](j) {
				most := min(100*time.Millisecond<<i, 10*time.Second)
				if r.Wait < most/2 || r.Wait > most {
					t.Errorf("wait %d is %v, want %v to %v", i+1, r.Wait, most/2, most)
				}
			}
		})
	})

	t.Run("without a limit tries for as long as it takes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", slices.Repeat([]error{errBoom}, 1000)...)
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{Unlimited: true}).HaltOnError()))
			elapse(24 * time.Hour)
			j.committed(1)
			if n := len(w.tried()); n != 1001 {
				t.Errorf("tried %d times", n)
			}
		})
	})

	t.Run("without a limit leaves a permanent error to the next policy", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom, stream.Permanent(errBoom))
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{Unlimited: true}).HaltOnError()))
			elapse(time.Minute)
			if h := j.halt(); h.Attempts != 2 {
				t.Errorf("halt: %v", h)
			}
		})
	})

	t.Run("waits as long as the error asks, and up to a tenth more", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", fmt.Errorf("charging: %w", busyFor(30*time.Second)))
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{})))
			if got := heard[stream.Retrying](j); len(got) != 1 || got[0].Wait < 30*time.Second || got[0].Wait > 33*time.Second {
				t.Fatalf("events: %v", got)
			}
			elapse(30*time.Second - 1)
			j.committed(-1)
			elapse(3*time.Second + 1)
			j.committed(1)
		})
	})

	t.Run("waits for the longest of joined errors that ask for a wait", func(t *testing.T) {
		for name, err := range map[string]error{
			"joined":             errors.Join(busyFor(0), errBoom, busyFor(30*time.Second), busyFor(time.Second)),
			"wrapped and joined": fmt.Errorf("charging: %w, %w", errBoom, errors.Join(busyFor(-time.Hour), fmt.Errorf("later: %w", busyFor(30*time.Second)))),
			"of a batch":         &stream.PartialError{Errs: map[int]error{0: busyFor(time.Second), 1: busyFor(30 * time.Second)}},
		} {
			bubble(t, func(t *testing.T) {
				l, w, v := newLog(1), newWork().fail("a", err), newDatabase().refuse(err)
				put(l, 0, "a")
				for word, j := range map[string]*job{
					"Serial":     start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{}))),
					"CommitWith": start(t, l, input.CommitWith(v, 1, 0).RetryOnError(stream.RetryPolicy{})),
				} {
					if got := heard[stream.Retrying](j); len(got) != 1 || got[0].Wait < 30*time.Second && !(word == "CommitWith" && name == "of a batch") {
						t.Errorf("%s, %s: %v", word, name, got)
					}
				}
			})
		}
	})

	t.Run("lets Wait decide by the failure", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", busyFor(time.Hour), errOther, errBoom)
			put(l, 0, "a")
			wait := func(f stream.Failure) time.Duration {
				if errors.Is(f.Err, errOther) {
					return time.Minute
				}
				return time.Duration(f.Attempts) * time.Second
			}
			j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{Wait: wait})))
			elapse(time.Hour)
			var got []time.Duration
			for _, r := range heard[stream.Retrying](j) {
				got = append(got, r.Wait)
			}
			if want := []time.Duration{time.Second, time.Minute, 3 * time.Second}; !slices.Equal(got, want) {
				t.Errorf("waits: %v, want %v", got, want)
			}
		})
	})

	t.Run("says how long it lasts", func(t *testing.T) {
		for want, p := range map[string]stream.RetryPolicy{
			"try 15 times over about 62 s":                  {},
			"try 3 times over about 225 ms":                 {MaxAttempts: 3},
			"try 4 times over about 5 s":                    {MaxAttempts: 4, FirstWait: time.Second},
			"try 20 times over about 14 min":                {MaxAttempts: 20, FirstWait: time.Minute, MaxWait: time.Minute},
			"try 1000000000000 times over more than a year": {MaxAttempts: 1e12},
			// as many as a user can ask for: Describe adds up no wait for each
			"try 9223372036854775807 times over more than a year": {MaxAttempts: math.MaxInt64, MaxWait: 1},
			"try until it succeeds":                               {Unlimited: true},
			"try once":                                            {MaxAttempts: 1},
			"try 3 times, then":                                   {MaxAttempts: 3, Wait: func(stream.Failure) time.Duration { return 0 }},
		} {
			p, err := input.Serial(pass[string]).RetryOnError(p).HaltOnError().Build(newLog(1).Source())
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Describe().String(); !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
	})
}

// busyFor is an error that says how long to wait.
type busyFor time.Duration

func (b busyFor) Error() string             { return "busy for " + time.Duration(b).String() }
func (b busyFor) RetryAfter() time.Duration { return time.Duration(b) }
