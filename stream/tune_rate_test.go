package stream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// began checks how many elements were started.
func began(t *testing.T, when string, w *work, want int) {
	t.Helper()
	if got := len(w.tried()); got != want {
		t.Errorf("%s: %d were started, want %d", when, got, want)
	}
}

func TestSetRate(t *testing.T) {
	for name, chain := range map[string]func(s strs, w *work) strs{
		"ungrouped":       func(s strs, w *work) strs { return s.Concurrent(4, w.do) },
		"by key":          func(s strs, w *work) strs { return s.GroupByKey().Concurrent(4, w.do) },
		"serial":          func(s strs, w *work) strs { return s.Serial(w.do) },
		"in order":        func(s strs, w *work) strs { return s.MapConcurrent(4, w.echo, stream.KeepOrder()) },
		"in turn":         func(s strs, w *work) strs { return s.GroupByKey().Concurrent(4, w.do, stream.MaxPartitions(1)) },
		"per partition":   func(s strs, w *work) strs { return s.Tap(w.do) },
		"to a sink":       func(s strs, w *work) strs { return s.To(intoSink(w)) },
		"in two stages":   func(s strs, w *work) strs { return s.Concurrent(4, w.do).Concurrent(4, pass) },
		"in a branch":     func(s strs, w *work) strs { return s.AlsoTo(beside(4, w)) },
		"below a commit":  func(s strs, w *work) strs { return s.CommitBefore(1, 0).Concurrent(4, w.do) },
		"by a func":       func(s strs, w *work) strs { return s.GroupBy(func(v string) string { return v }).Concurrent(4, w.do) },
		"to a Transform":  func(s strs, w *work) strs { return s.Transform("relay", relay).Tap(w.do) },
		"a few of each":   func(s strs, w *work) strs { return s.Tap(w.do).FlatMap(thrice).Concurrent(4, pass) },
		"through a batch": func(s strs, w *work) strs { return s.Tap(w.do).Batch(3, time.Second).FlatMap(flat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("limits how many records the pipeline starts in a second, until it is lifted", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(2), newWork()
					s := chain(input, w)
					if name != "below a commit" {
						s = commitNow(s)
					}
					j := start(t, l, s)
					j.setRate("", 5)
					put(l, 0, count("a", 40)...)
					put(l, 1, count("b", 20)...)
					began(t, "at once", w, 0)
					for i := range 4 {
						elapse(time.Second)
						began(t, fmt.Sprintf("after %d s", i+1), w, 5*(i+1))
					}
					j.setRate("", 0)
					elapse(time.Minute)
					began(t, "without a limit", w, 60)
					j.committed(40, 20)
				})
			})
			t.Run("is no reason for a drain to wait, or to start what waits", func(t *testing.T) {
				for what, opts := range map[string][]stream.Option{"with a state": nil, "without": {stream.MaxFinishedAhead(0)}} {
					t.Run(what, func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							l, w := newLog(2), newWork()
							s := chain(input, w)
							if name != "below a commit" {
								s = commitNow(s)
							}
							j := start(t, l, s, opts...)
							j.setRate("", 0.001)
							put(l, 0, count("a", 10)...)
							put(l, 1, count("b", 10)...)
							synctest.Wait()
							began := time.Now()
							must(t, j.stop())
							if d := time.Since(began); d > time.Second {
								t.Errorf("the drain took %v", d)
							}
							if got := w.tried(); len(got) > 0 {
								t.Errorf("the drain started %v", got)
							}
						})
					})
				}
			})
		})
	}
	t.Run("that is raised does not leave behind who waits for a low one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, keys(20)...)
			j := start(t, l, commitNow(input.GroupByKey().Throttle(0.01, 1).Concurrent(4, w.do)))
			began(t, "as built", w, 1)
			j.setRate("throttle", 10)
			elapse(2 * time.Second)
			began(t, "two seconds later", w, 20)
			if r := j.rate("throttle"); r.Built != 0.01 || r.Now != 10 {
				t.Errorf("Snapshot: %+v", r)
			}
			j.committed(20)
		})
	})
	t.Run("that is lowered is kept from its first second on", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, commitNow(input.GroupByKey().Throttle(100, 50).Concurrent(4, w.do)))
			j.setRate("throttle", 1)
			put(l, 0, keys(20)...)
			elapse(3 * time.Second)
			began(t, "after three seconds", w, 3)
			j.setRate("throttle", 0)
			began(t, "lifted", w, 20)
		})
	})
	t.Run("counts the records of all sources of a Merge", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			j := p.start(t, commitNow(stream.Merge(from().As("eu").Concurrent(4, pass), from().As("us")).Concurrent(6, w.do)))
			j.setRate("", 2)
			put(p.eu, 0, keys(10)...)
			put(p.us, 0, keys(10)...)
			elapse(5 * time.Second)
			began(t, "after five seconds", w, 10)
			elapse(5 * time.Second)
			p.committed(t, 10, 10)
		})
	})
	t.Run("lets a revoke end the waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			j := join(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)))
			must(t, j.member.Assign(0, 1))
			j.setRate("", 0.001)
			put(l, 0, keys(10)...)
			put(l, 1, keys(10)...)
			synctest.Wait()
			at := time.Now()
			must(t, j.member.Revoke(0, 0))
			if d := time.Since(at); d > time.Second {
				t.Errorf("the revoke took %v", d)
			}
			began(t, "in the revoke", w, 0)
			j.setRate("", 0)
			must(t, j.member.Assign(0))
			synctest.Wait()
			began(t, "then", w, 20)
			j.committed(10, 10)
		})
	})
	t.Run("costs others no time for what a revoke takes out of the queue", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			j := join(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)))
			must(t, j.member.Assign(0, 1))
			j.setRate("", 1)
			put(l, 0, keys(20)...)
			synctest.Wait()
			put(l, 1, keys(5)...)
			synctest.Wait()
			must(t, j.member.Revoke(0, 0))
			elapse(6 * time.Second)
			j.committed(0, 5)
		})
	})
	t.Run("lets a halt end the waits, and Resume put these records back", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			release := w.hold("a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).HaltOnError()))
			put(l, 0, "a0")
			synctest.Wait()
			j.setRate("", 0.01)
			put(l, 0, keys(8)[1:]...)
			synctest.Wait()
			release()
			synctest.Wait()
			h := j.halt()
			must(t, j.Resume(h))
			must(t, j.WaitResumed(t.Context(), h))
			began(t, "with the low rate", w, 1)
			j.setRate("", 100)
			elapse(time.Second)
			sameSet(t, "done", w.done(), keys(8))
			j.committed(8)
		})
	})
	t.Run("writes to a sink what has had its turn, and does not hold it back", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, commitNow(input.To(intoSink(w))))
			j.setRate("", 50) // in bursts of 5
			put(l, 0, count("a", 20)...)
			elapse(100 * time.Millisecond)
			if n := int64(len(w.done())); n < 4 || n > 6 || l.Committed(0) != n {
				t.Errorf("%d are written and %d committed, want about 5", n, l.Committed(0))
			}
			elapse(time.Second)
			j.committed(20)
		})
	})
	t.Run("is kept in every second, however few may wait without a worker", func(t *testing.T) {
		for _, most := range []int{1024, 3, 0} {
			t.Run(fmt.Sprintf("MaxWaiting(%d)", most), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().fail("c0", errBoom)
					j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(5*time.Second, 2))), stream.MaxWaiting(most))
					j.setRate("", 1)
					put(l, 0, keys(20)...)
					for i := range 20 {
						elapse(time.Second)
						if n := len(w.tried()) - max(0, w.triesOf("c0")-1); n != i+1 {
							t.Errorf("after %d s: %d records were started, want %d", i+1, n, i+1)
						}
						if i == 9 && w.triesOf("c0") != 2 {
							t.Errorf("a retry that was due after 8 s has not begun: %v", w.tried())
						}
					}
					elapse(time.Second)
					j.committed(20)
				})
			})
		}
	})
	t.Run("leaves the retries of other steps their waits", func(t *testing.T) {
		for name, s := range map[string]strs{"of the pipeline": input.GroupByKey(), "of a Throttle": input.GroupByKey().Throttle(7, 1)} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					j := start(t, l, commitNow(s.Concurrent(4, pass).Concurrent(4, w.do).RetryOnError(every(time.Hour, 3))), stream.MaxWaiting(64))
					step := ""
					if name == "of a Throttle" {
						step = "throttle"
					}
					j.setRate(step, 10)
					for i := range 300 {
						v := fmt.Sprint(i)
						l.Append(0, v, v)
						if i < 4 {
							w.poison(v, errBoom)
						}
					}
					elapse(20 * time.Second)
					if n := len(w.done()); n != 200-4 {
						t.Errorf("%d are done beside 4 that are tried again in an hour, want 196", n)
					}
				})
			})
		}
	})
	t.Run("counts its waits, which are no reason for StuckAfter", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, pass)))
			j.setRate("", 0.001)
			put(l, 0, keys(4)...)
			synctest.Wait()
			if s := j.Snapshot(); s.Waiting == 0 {
				t.Errorf("Snapshot counts no waits: %+v", s)
			}
		})
	})
	t.Run("is refused", func(t *testing.T) {
		for name, c := range map[string]struct {
			step            string
			seen, perSecond float64
			says            []string
		}{
			"below 0":                   {"", 0, -1, []string{"-1 a second is no rate", "at least 0.001", "Pause", "LW240"}},
			"if next to nothing passes": {"", 0, 1e-9, []string{"no rate"}},
			"for a step that is none":   {"charge", 0, 5, []string{"charge cannot be set", "no Throttle", "for the pipeline, and for throttle"}},
			"if it is not the one seen": {"throttle", 3, 5, []string{"the rate is 7 a second, not 3 a second", "LW239"}},
			"if there is none":          {"", 3, 5, []string{"the rate is no limit, not 3 a second"}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					j := start(t, newLog(1), commitNow(input.GroupByKey().Throttle(7, 1).Concurrent(4, pass, named)))
					err := j.SetRate(c.step, c.seen, c.perSecond)
					says(t, err, c.says...)
					if errors.Is(err, stream.ErrSeen) != (c.seen == 3) {
						t.Errorf("ErrSeen or not: %v", err)
					}
					if j.rate("").Now != 0 || j.rate("throttle").Now != 7 {
						t.Errorf("the rates are %v all the same", j.Snapshot().Rates)
					}
				})
			})
		}
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), commitNow(input.Serial(pass)))
			must(t, j.stop())
			if err := j.SetRate("", 0, 5); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("without a run: %v", err)
			}
		})
	})
	t.Run("is what a record waits for, wherever it would start", func(t *testing.T) {
		for name, s := range map[string]strs{"per partition": input.Tap(pass), "serial": input.Serial(pass), "to a sink": input.To(intoSink(newWork())), "without a step": input} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "z0")
					j := start(t, l, commitNow(s))
					j.setRate("", 0.01)
					put(l, 0, "a0", "a1")
					elapse(20 * time.Second)
					if e := j.explains(stream.CauseThrottle, nil, "waits for its turn, for 20s, 1m20s left"); e.Record == nil || e.Record.Offset != 1 {
						t.Errorf("the record is %v", e.Record)
					}
				})
			})
		}
	})
	t.Run("is told by Describe and Explain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, commitNow(input.GroupByKey().Throttle(7, 1).Concurrent(4, pass)))
			j.setRate("", 0.01)
			put(l, 0, "a0")
			elapse(20 * time.Second)
			e := j.explains(stream.CauseThrottle, nil, "t[0] waits for its turn, for 20s, 1m20s left; the rate of the pipeline was set to 0.01 a second until restart\n")
			if e.Step != "" {
				t.Errorf("it waits in %s, which has not begun", e.Step)
			}
			if d := j.Describe().String(); !strings.Contains(d, "\n  rate: 0.01 records a second, until restart\n") {
				t.Errorf("Describe:\n%s", d)
			}
			j.setRate("throttle", 0.02)
			j.setRate("", 0)
			elapse(20 * time.Second)
			j.explains(stream.CauseThrottle, nil, "waits for its turn in throttle, for 20s, 30s left; the rate of throttle was set to 0.02 a second until restart, and built with 7 a second\n")
			if d := j.Describe().String(); !strings.Contains(d, "7 a second in bursts of 1, set to 0.02 a second until restart") || strings.Contains(d, "rate:") {
				t.Errorf("Describe:\n%s", d)
			}
			j.setRate("throttle", 7)
			elapse(time.Second)
			if d := j.Describe().String(); strings.Contains(d, "restart") {
				t.Errorf("as built:\n%s", d)
			}
		})
	})
}
