package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestHalt(t *testing.T) {
	t.Run("keeps other partitions running", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("a1", errBoom)
			put(l, 0, "a0", "a1", "a2")
			put(l, 1, "b0", "b1")
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError()))
			put(l, 0, "a3")
			put(l, 1, "b2")
			synctest.Wait()

			same(t, "partition 0", w.doneOf("a"), []string{"a0"})
			same(t, "partition 1", w.doneOf("b"), []string{"b0", "b1", "b2"})
			j.committed(1, 3)
			if s := j.Snapshot().Partitions[0]; s.State != stream.StateHalted || s.Halt == nil || s.Halt.Meta.Offset != 1 {
				t.Errorf("snapshot: %+v", s)
			}
			if err := j.stop(); err != nil {
				t.Errorf("a halt is no failure of the pipeline: %v", err)
			}
		})
	})
	t.Run("reports which record halted, since when and why", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a1", errBoom)
			put(l, 0, "a0", "a1")
			began := time.Now()
			j := start(t, l, commitNow(input.Serial(w.do, stream.Named("charge")).RetryOnError(every(time.Second, 2)).HaltOnError()))
			elapse(time.Minute)

			h := j.halt()
			if h.Meta.String() != "t[0]@1" || h.Step != "charge" || h.Attempts != 2 || !errors.Is(h.Err, errBoom) ||
				h.Record != "a1" || h.Value != "a1" || !h.Since.Equal(began.Add(time.Second)) {
				t.Errorf("halt: %+v", h)
			}
			for _, part := range []string{"t[0] has been halted since", "charge: t[0]@1 failed after 2 attempts: boom", "Resume", "Skip"} {
				if !strings.Contains(h.String(), part) {
					t.Errorf("%q does not say %q", h, part)
				}
			}
			if got := heard[stream.Halted](j); len(got) != 1 || got[0].Meta.Offset != 1 {
				t.Errorf("events: %v", got)
			}
		})
	})
	t.Run("leaves the pipeline ready unless readiness is strict", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			strict := stream.EveryPartition
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError()), stream.ReadyWhen(func(s stream.Snapshot) error { return strict(s) }))
			if err := j.Ready(); err == nil || !strings.Contains(err.Error(), "t[0]@0") {
				t.Errorf("Ready, where it is strict: %v", err)
			}
			strict = func(stream.Snapshot) error { return nil }
			if err := j.Ready(); err != nil {
				t.Errorf("Ready: %v", err)
			}
			if err := j.Live(); err != nil {
				t.Errorf("Live: %v", err)
			}
			if err := j.Resume(j.halt()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := j.Ready(); err != nil {
				t.Errorf("Ready after Resume: %v", err)
			}
			j.committed(1)
		})
	})
	t.Run("drops queued records and lets running ones finish", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0", "c0", "d0")
			releaseA, releaseB := w.hold("a0"), w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError()))
			releaseA()
			synctest.Wait()
			same(t, "started", w.tried()[2:], nil)
			releaseB()
			synctest.Wait()
			same(t, "finished", w.done(), []string{"b0"})
			j.committed(0)

			if err := j.Resume(j.halt()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			sameSet(t, "tried", w.tried(), []string{"a0", "a0", "b0", "c0", "d0"})
			j.committed(4)
		})
	})
	t.Run("ends the waiting retries of its partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().fail("a0", errBoom, errBoom).fail("b0", stream.Permanent(errBoom)).fail("c0", errBoom)
			put(l, 0, "a0", "b0")
			put(l, 1, "c0")
			release := w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).RetryOnError(every(time.Hour, 9)).HaltOnError()))
			if n := j.Snapshot().Retrying; n != 2 {
				t.Fatalf("%d retries wait", n)
			}
			release()
			synctest.Wait()
			if n := j.Snapshot().Retrying; n != 1 {
				t.Errorf("%d retries wait after the halt: that of the other partition continues", n)
			}
			if err := j.Resume(j.halt()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			sameSet(t, "tried after Resume", w.tried(), []string{"a0", "b0", "c0", "a0", "b0"})
			elapse(2 * time.Hour)
			j.committed(2, 1)
		})
	})
	t.Run("leaves the budget of other partitions alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("a0", errBoom)
			put(l, 0, count("a", 50)...)
			put(l, 1, count("b", 500)...)
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError()), stream.MaxInFlight(8), stream.MaxBytes(2<<20))
			synctest.Wait()
			if got := l.Committed(1); got != 500 {
				t.Errorf("the other partition: committed %d", got)
			}
			if s := j.Snapshot().Partitions[0]; s.InFlight > 8 {
				t.Errorf("%d records of the frozen partition are held", s.InFlight)
			}
		})
	})
	t.Run("of a batch names its first failed record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c", "d")
			bad := true
			var got [][]string
			j := start(t, l, commitNow(input.Batch(4, 0).Serial(func(_ ctx, b []string) error {
				got = append(got, b)
				if bad {
					return &stream.PartialError{Errs: map[int]error{2: errBoom}}
				}
				return nil
			}).HaltOnError()))
			if h := j.halt(); h.Meta.Offset != 2 || !errors.Is(h.Err, errBoom) {
				t.Errorf("halt: %v", h)
			}
			j.committed(2)
			bad = false
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			must(t, j.stop())
			if len(got) != 2 || !slices.Equal(got[1], []string{"c"}) {
				t.Errorf("batches: %v", got)
			}
			j.committed(4)
		})
	})
	t.Run("is retried after a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b", errBoom)
			put(l, 0, "a", "b", "c")
			chain := commitNow(input.Serial(w.do).HaltOnError())
			must(t, start(t, l, chain).stop())
			committed(t, l, 1)
			must(t, start(t, l, chain).stop())
			same(t, "tried", w.tried(), []string{"a", "b", "b", "c"})
			committed(t, l, 3)
		})
	})
}

func TestResumeAfter(t *testing.T) {
	// halts is when the record halted, and for how long each time.
	halts := func(j *job) (waits []time.Duration) {
		for _, h := range heard[stream.Halted](j) {
			waits = append(waits, h.ResumeAt.Sub(h.Since))
		}
		return waits
	}
	within := func(t *testing.T, got []time.Duration, want ...time.Duration) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("halts of %v, want %v", got, want)
		}
		for i, w := range want {
			if got[i] < w || got[i] > w+w/10 {
				t.Errorf("halt %d is to end after %v, want %v and up to a tenth more", i+1, got[i], w)
			}
		}
	}
	const half = 30 * time.Second

	t.Run("is waited for once the source is exhausted", func(t *testing.T) {
		hold := func(_ context.Context, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
			var all []stream.Elem[string]
			for e := range in {
				all = append(all, e)
			}
			for _, e := range all {
				out <- e
			}
			return nil
		}
		for name, chain := range map[string]func(*work) stream.Stream[string]{
			"HaltOnError": func(w *work) stream.Stream[string] {
				return input.GroupByKey().Concurrent(2, w.do).HaltOnError(stream.ResumeAfter(half))
			},
			"ParkOnError": func(w *work) stream.Stream[string] {
				return input.GroupByKey().Concurrent(2, w.do).ParkOnError(stream.ResumeAfter(half))
			},
			"above a Transform that keeps all": func(w *work) stream.Stream[string] {
				return input.Serial(w.do).HaltOnError(stream.ResumeAfter(half)).Transform("hold", hold)
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().fail("a1", errBoom, errBoom)
					put(l, 0, "a1", "b2")
					l.Finish()
					j := start(t, l, commitNow(chain(w)))
					if err := j.wait(); err != nil {
						t.Errorf("Run: %v", err)
					}
					sameSet(t, "done", w.done(), []string{"a1", "b2"})
					j.committed(2)
				})
			})
		}
	})
	t.Run("retries the record, later each time, and continues once it is done", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().fail("a1", errBoom, errBoom, errBoom)
			put(l, 0, "a0", "a1", "a2")
			put(l, 1, "b0")
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError(stream.ResumeAfter(half))))
			if h := j.halt(); h.ResumeAt.Before(h.Since.Add(half)) || !strings.Contains(h.String(), "is retried at "+h.ResumeAt.Format(time.RFC3339)) {
				t.Errorf("halt: %v", h)
			}
			elapse(half - 1)
			same(t, "before its time", w.doneOf("a"), []string{"a0"})
			elapse(time.Hour)
			within(t, halts(j), half, 2*half, 4*half)
			same(t, "done", w.doneOf("a"), []string{"a0", "a1", "a2"})
			j.committed(3, 1)
			for _, r := range heard[stream.Resumed](j) {
				if !r.ByItself {
					t.Errorf("%v was not asked for", r)
				}
			}
			if err := j.Ready(); err != nil {
				t.Errorf("Ready: %v", err)
			}
		})
	})

	t.Run("wakes callers that wait for its end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError(stream.ResumeAfter(half))))
			h, began := j.halt(), time.Now()
			must(t, j.WaitResumed(t.Context(), h))
			if waited := time.Since(began); waited < half {
				t.Errorf("the halt was over after %v", waited)
			}
		})
	})

	t.Run("starts over with the next record, and never waits above 15 minutes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", slices.Repeat([]error{errBoom}, 8)...).fail("a1", errBoom, errBoom)
			put(l, 0, "a0", "a1")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError(stream.ResumeAfter(half))))
			elapse(3 * time.Hour)
			j.committed(2)
			most := 15 * time.Minute
			within(t, halts(j), half, 2*half, 4*half, 8*half, 16*half, most, most, most, half, 2*half)
		})
	})

	t.Run("doubles although other records halt the partition in between", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom, errBoom, errBoom)
			put(l, 0, "a0", "b0")
			w.fail("b0", errBoom)
			slow := w.hold("a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError(stream.ResumeAfter(half))))
			if h := j.halt(); h.Value != "b0" {
				t.Fatalf("halt: %v", h)
			}
			slow()
			elapse(time.Hour)
			j.committed(2)
			got := halts(j) // how many depends on whether b0 begins while a0 fails again
			if len(got) < 3 {
				t.Fatalf("halts: %v", got)
			}
			within(t, got, []time.Duration{half, 2 * half, 4 * half, 8 * half}[:len(got)]...)
		})
	})

	t.Run("gives way to a call of Resume or Skip", func(t *testing.T) {
		for name, verb := range map[string]func(*stream.Pipeline, stream.Halt) error{"Resume": (*stream.Pipeline).Resume, "Skip": (*stream.Pipeline).Skip} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().fail("a0", errBoom)
					put(l, 0, "a0", "a1")
					j := start(t, l, commitNow(input.Serial(w.do).HaltOnError(stream.ResumeAfter(time.Hour))))
					must(t, verb(j.Pipeline, j.halt()))
					synctest.Wait()
					j.committed(2)
					elapse(24 * time.Hour)
					if got := heard[stream.Resumed](j); len(got) != 1 || got[0].ByItself {
						t.Errorf("events: %v", got)
					}
				})
			})
		}
	})

	t.Run("gives way to a Skip while the halt is about to end by itself", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0", "b0")
			fails, slow := w.hold("a0"), w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError(stream.ResumeAfter(half))))
			fails()
			elapse(time.Hour) // it cannot end before b0 has
			must(t, j.Skip(j.halt()))
			slow()
			synctest.Wait()
			j.committed(2)
			sameSet(t, "tried", w.tried(), []string{"a0", "b0"})
		})
	})

	t.Run("ends a transaction's halt, later each time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, v := newLog(1), newDatabase()
			put(l, 0, "a0")
			v.refuse(errBoom, errBoom, errBoom)
			j := start(t, l, input.CommitWith(v, 1, 0).HaltOnError(stream.ResumeAfter(half)))
			elapse(time.Hour)
			within(t, halts(j), half, 2*half, 4*half)
			same(t, "stored", v.stored(), []string{"a0"})
		})
	})

	t.Run("ends with its partition, and with the pipeline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("a0", errBoom).poison("b0", errBoom)
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := join(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError(stream.ResumeAfter(half))))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Revoke(0, 0))
			must(t, j.stop())
			sameSet(t, "tried", w.tried(), []string{"a0", "b0"})
			if got := heard[stream.Resumed](j); len(got) != 0 {
				t.Errorf("events: %v", got)
			}
		})
	})
}
