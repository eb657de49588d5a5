package stream_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// keyed is a chain in which a key can be parked.
func keyed(w *work) stream.Stream[string] { return commitNow(input.GroupByKey().Concurrent(4, w.do)) }

// pause pauses partition 0, and parkKey parks a key of it, until Resume.
func (j *job) pause(t *testing.T) {
	t.Helper()
	must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Time{}))
}

func (j *job) parkKey(t *testing.T, key string) {
	t.Helper()
	must(t, j.Park(at(0), j.Snapshot().Partitions[0].Epoch, []byte(key), "alice", time.Time{}))
}

// takeover is how a partition comes to its next assignment.
type takeover func(t *testing.T, l *testLog, j *job, w *work, build string) *job

func owner(t *testing.T, l *testLog, w *work, build string) *job {
	t.Helper()
	j := join(t, l, keyed(w), stream.BuildID(build))
	must(t, j.member.Assign(0))
	synctest.Wait()
	return j
}

var takeovers = map[string]takeover{
	"a restart": func(t *testing.T, l *testLog, j *job, w *work, build string) *job {
		must(t, j.stop())
		return owner(t, l, w, build)
	},
	"a crash": func(t *testing.T, l *testLog, j *job, w *work, build string) *job {
		j.member.Crash()
		<-j.ended
		return owner(t, l, w, build)
	},
	"a rebalance": func(t *testing.T, _ *testLog, j *job, _ *work, _ string) *job {
		must(t, j.member.Revoke(0, 0))
		must(t, j.member.Assign(0))
		synctest.Wait()
		return j
	},
}

// over runs f with each takeover.
func over(t *testing.T, f func(t *testing.T, next takeover)) {
	for name, next := range takeovers {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, next) }) })
	}
}

func TestDurablePause(t *testing.T) {
	t.Run("survives, with every build", func(t *testing.T) {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("where something was read: %v", !first), func(t *testing.T) {
				over(t, func(t *testing.T, next takeover) {
					l, w := newLog(1), newWork()
					if !first {
						put(l, 0, "a0")
					}
					j := owner(t, l, w, "v1")
					j.pause(t)
					if h := j.halt(); !h.Durable || h.Restored {
						t.Errorf("halt: %+v", h)
					}
					since := j.halt().Since.Truncate(time.Second)
					for _, build := range []string{"v1", "v2", ""} {
						synctest.Wait() // it is stored
						j = next(t, l, j, w, build)
						h := j.halt()
						if h.By != "alice" || h.Scope != stream.ScopePartition || !h.Restored || !h.Since.Equal(since) || !strings.Contains(h.String(), "t[0] has been paused by alice") {
							t.Fatalf("halt: %+v", h)
						}
					}
					if told := heard[stream.Paused](j); len(told) == 0 {
						t.Error("nobody was told")
					}
					put(l, 0, "a1")
					synctest.Wait()
					for _, v := range w.done() {
						if v == "a1" {
							t.Error("it was read while paused")
						}
					}
					must(t, j.Resume(j.halt()))
					synctest.Wait()
					j = next(t, l, j, w, "v1")
					if hs := j.Halts(); len(hs) != 0 {
						t.Errorf("halts: %v", hs)
					}
					if done := w.done(); done[len(done)-1] != "a1" {
						t.Errorf("done: %v", done)
					}
				})
			})
		}
	})
	t.Run("is stored at once, also by a build that is not known", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := owner(t, l, w, "")
			j.pause(t)
			synctest.Wait()
			j = takeovers["a crash"](t, l, j, w, "")
			if h := j.halt(); h.By != "alice" {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			j = takeovers["a crash"](t, l, j, w, "")
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
		})
	})
	t.Run("ends at its time, also after a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, keyed(w))
			must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Now().Add(time.Hour)))
			put(l, 0, "a0")
			synctest.Wait()
			must(t, j.stop())
			time.Sleep(30 * time.Minute)
			j = start(t, l, keyed(w))
			if h := j.halt(); !strings.Contains(h.String(), "it ends at ") {
				t.Errorf("halt: %v", h)
			}
			time.Sleep(29 * time.Minute)
			same(t, "before", w.done(), nil)
			time.Sleep(time.Minute + time.Second)
			same(t, "after", w.done(), []string{"a0"})
			if told := heard[stream.Resumed](j); len(told) != 1 || !told[0].ByItself {
				t.Errorf("told: %+v", told)
			}
		})
	})
	t.Run("is stored by the transactor above CommitWith", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, w, l := newDatabase(), newWork(), newLog(1)
			b.states = 4000
			chain := input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 10, time.Second)
			put(l, 0, "a0")
			j := start(t, l, chain)
			j.pause(t)
			time.Sleep(2 * time.Second)
			must(t, j.stop())
			j = start(t, l, chain)
			if h := j.halt(); h.By != "alice" || !h.Durable {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.Resume(j.halt()))
			put(l, 0, "a1")
			time.Sleep(2 * time.Second)
			same(t, "stored", b.stored(), []string{"a0", "a1"})
		})
	})
	t.Run("ends with the assignment where no state is stored, and says so", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			chain := input.GroupByKey().CommitBefore(1, 0).Concurrent(4, w.do)
			j := start(t, l, chain)
			j.pause(t)
			if h := j.halt(); h.Durable {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.stop())
			if hs := start(t, l, chain).Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
		})
	})
	t.Run("is told from what fails at its offset afterwards", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).HaltOnError()))
			j.pause(t)
			pause := j.halt()
			must(t, j.Resume(pause))
			put(l, 0, "a0")
			synctest.Wait()
			if err := j.Skip(pause); !errors.Is(err, stream.ErrStale) {
				t.Errorf("Skip: %v", err)
			}
			if h := j.halt(); h.By != "" {
				t.Errorf("halt: %v", h)
			}
		})
	})
	t.Run("is refused with a time that is over", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), keyed(newWork()))
			says(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Now()), "which is over")
		})
	})
}

func TestParkByHand(t *testing.T) {
	t.Run("holds a key, and lets what has begun and all others go on", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			release := w.hold("a0")
			put(l, 0, "a0", "a1", "b2")
			j := start(t, l, keyed(w))
			j.parkKey(t, "a")
			put(l, 0, "a3", "b4")
			synctest.Wait()
			sameSet(t, "beside it", w.done(), []string{"b2", "b4"})
			release()
			synctest.Wait()
			sameSet(t, "while parked", w.done(), []string{"a0", "b2", "b4"})
			h := j.halt()
			if text := h.String(); h.By != "alice" || h.Scope != stream.ScopeLane || !strings.Contains(text, `key "a" of t[0] has been parked by alice`) || !strings.HasSuffix(text, "Resume lets them continue") {
				t.Errorf("halt: %v", h)
			}
			if e := j.Explain(at(0)); e.Cause != stream.CausePark || !strings.Contains(e.String(), "continues beside a key that is parked by hand") {
				t.Errorf("Explain: %v", e)
			}
			must(t, j.Resume(h))
			must(t, j.WaitResumed(t.Context(), h))
			synctest.Wait()
			same(t, "afterwards", w.done()[3:], []string{"a1", "a3"})
			j.committed(5)
			if told := heard[stream.Paused](j); len(told) != 1 || told[0].Scope != stream.ScopeLane || len(heard[stream.Halted](j)) != 0 {
				t.Errorf("told: %v", j.ear)
			}
		})
	})
	t.Run("survives, with every build", func(t *testing.T) {
		over(t, func(t *testing.T, next takeover) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b1")
			j := owner(t, l, w, "v1")
			j.parkKey(t, "a")
			for i, build := range []string{"v1", "v2", ""} {
				put(l, 0, fmt.Sprint("a", 2*i+2), fmt.Sprint("b", 2*i+3))
				synctest.Wait()
				j = next(t, l, j, w, build)
				if h := j.halt(); h.By != "alice" || h.Scope != stream.ScopeLane || string(h.Meta.Key) != "a" || !h.Restored || !h.Durable {
					t.Fatalf("halt: %+v", h)
				}
			}
			sameSet(t, "while parked", w.done(), []string{"a0", "b1", "b3", "b5", "b7"})
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "afterwards", w.done()[5:], []string{"a2", "a4", "a6"})
			j = next(t, l, j, w, "v1")
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
		})
	})
	for name, wait := range map[string]error{
		"a retry": errBoom,
		"its sink": stream.Postpone(errBoom, func(ctx ctx) error { // as a breaker does
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return nil
		}),
	} {
		t.Run("leaves the other keys of a write that waits for "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0", "b1", "b2")
				var written []string
				var up atomic.Bool
				write := sinkFunc[string](func(_ ctx, out []stream.Out[string]) error {
					if !up.Load() {
						return stream.Whole(wait)
					}
					for _, o := range out {
						written = append(written, o.Value)
					}
					return nil
				})
				j := start(t, l, commitNow(input.GroupByKey().To(write).RetryOnError(every(time.Minute, 3))))
				j.parkKey(t, "a")
				up.Store(true)
				elapse(2 * time.Minute)
				same(t, "beside it", written, []string{"b1", "b2"})
				must(t, j.Resume(j.halt()))
				synctest.Wait()
				same(t, "afterwards", written, []string{"b1", "b2", "a0"})
				j.committed(3)
			})
		})
	}
	t.Run("is not written with the others of a write that was to be tried again", func(t *testing.T) {
		for name, away := range map[string]func(back chan struct{}) error{
			"after a retry": func(chan struct{}) error { return errBoom },
			"after its sink's outage": func(back chan struct{}) error {
				return stream.Postpone(errBoom, func(ctx) error { <-back; return nil })
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, back := newLog(1), make(chan struct{})
					put(l, 0, "a0", "b1", "a2")
					var written []string
					var up atomic.Bool
					out := asSink(func(_ ctx, vs []string) error {
						if !up.Load() {
							return stream.Whole(away(back))
						}
						written = append(written, vs...)
						return nil
					})
					j := start(t, l, commitNow(input.GroupByKey().To(out).RetryOnError(every(time.Minute, 3))))
					j.parkKey(t, "b")
					up.Store(true)
					close(back)
					elapse(2 * time.Minute)
					same(t, "beside it", written, []string{"a0", "a2"})
					must(t, j.Resume(j.halt()))
					synctest.Wait()
					same(t, "afterwards", written, []string{"a0", "a2", "b1"})
					j.committed(3)
				})
			})
		}
	})
	t.Run("of several keys ends for each by itself, also after a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, keyed(w))
			j.parkKey(t, "a")
			j.parkKey(t, "b")
			says(t, j.Park(at(0), j.Snapshot().Partitions[0].Epoch, []byte("a"), "bob", time.Time{}), "parked already", "by alice")
			put(l, 0, "a0", "b1", "c2")
			synctest.Wait()
			must(t, j.stop())
			j = start(t, l, keyed(w))
			synctest.Wait()
			for _, h := range j.Halts() {
				if string(h.Meta.Key) == "b" {
					must(t, j.Resume(h))
					must(t, j.WaitResumed(t.Context(), h))
				}
			}
			synctest.Wait()
			same(t, "done", w.done(), []string{"c2", "b1"})
			if h := j.halt(); string(h.Meta.Key) != "a" {
				t.Errorf("halt: %+v", h)
			}
		})
	})
	t.Run("ends beside a pause at the same offset, which stays", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), keyed(newWork()))
			j.pause(t)
			pause := j.halt()
			j.parkKey(t, "a")
			for _, h := range j.Halts() {
				if h.Scope == stream.ScopeLane {
					must(t, j.Resume(h))
					must(t, j.WaitResumed(t.Context(), h))
				}
			}
			if h := j.halt(); h.Scope != pause.Scope {
				t.Errorf("left: %v", h)
			}
		})
	})
	t.Run("survives with a key that is too long for the state", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			long := strings.Repeat("k", 1000)
			chain := commitNow(input.GroupByKey().Concurrent(4, w.do))
			j := start(t, l, chain)
			j.parkKey(t, long)
			synctest.Wait()
			must(t, j.stop())
			l.Append(0, long, "x")
			put(l, 0, "b1")
			j = start(t, l, chain)
			synctest.Wait()
			same(t, "while parked", w.done(), []string{"b1"})
			if h := j.halt(); string(h.Meta.Key) != long { // known again, with its first record
				t.Errorf("halt: %v", h)
			}
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "done", w.done(), []string{"b1", "x"})
		})
	})
	t.Run("has no record that failed, also where its lane is set aside", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, keyed(w), stream.MaxInFlight(16))
			j.parkKey(t, "b")
			mixed(l, 0, 300)
			elapse(time.Minute)
			e := heard[stream.SourceEvent](j)[0]
			// How many there are at that moment, and which are kept, depends on how far the feed is.
			says(t, errors.New(e.Text), ` records wait that alice has parked, of key "b": those from offset `)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", 300))
		})
	})
	t.Run("ends at its time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, keyed(w))
			must(t, j.Park(at(0), j.Snapshot().Partitions[0].Epoch, []byte("a"), "alice", time.Now().Add(time.Minute)))
			put(l, 0, "a0")
			time.Sleep(59 * time.Second)
			same(t, "before", w.done(), nil)
			time.Sleep(2 * time.Second)
			same(t, "after", w.done(), []string{"a0"})
		})
	})
	t.Run("holds a record that waits for a retry, which begins anew", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0", "a1")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(stream.RetryPolicy{MaxAttempts: 2, FirstWait: time.Second}).ParkOnError()))
			j.parkKey(t, "a")
			time.Sleep(time.Minute)
			same(t, "while parked", w.tried(), []string{"a0"})
			must(t, j.Resume(j.halt()))
			time.Sleep(time.Minute)
			same(t, "tried", w.tried(), []string{"a0", "a0", "a0"})
			h := j.halt()
			if h.By != "" || h.Attempts != 2 {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.Skip(h))
			synctest.Wait()
			same(t, "done", w.done(), []string{"a1"})
		})
	})
	t.Run("is not skipped, as no record has failed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), keyed(newWork()))
			j.parkKey(t, "a")
			says(t, j.Skip(j.halt()), "no record has failed")
			says(t, j.SkipRange(j.halt(), 0, 9), "no record has failed")
		})
	})
	t.Run("is of the assignment that its caller saw", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), keyed(newWork()))
			epoch := j.Snapshot().Partitions[0].Epoch
			if err := j.Park(at(0), epoch+1, []byte("a"), "alice", time.Time{}); !errors.Is(err, stream.ErrEpoch) {
				t.Errorf("Park: %v", err)
			}
			says(t, j.Park(at(0), epoch, []byte("a"), "", time.Time{}), "pass the name")
		})
	})
	t.Run("is refused where nothing could finish beside it, or an order would break", func(t *testing.T) {
		w := newWork()
		for why, chain := range map[string]stream.Stream[string]{
			"no resume state is stored":      input.GroupByKey().CommitBefore(1, 0).Concurrent(4, w.do),
			"keeps an order of several keys": commitNow(input.GroupByPartition().Serial(w.do)),
			"would hold back every result":   commitNow(input.MapConcurrent(4, w.echo, stream.KeepOrder())),
			"no transaction could pass":      input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(newDatabase(), 10, time.Second),
		} {
			t.Run(why, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					j := start(t, newLog(1), chain)
					says(t, j.Park(at(0), j.Snapshot().Partitions[0].Epoch, []byte("a"), "alice", time.Time{}), why)
				})
			})
		}
	})
}
