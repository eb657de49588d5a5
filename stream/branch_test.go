package stream_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

type strs = stream.Stream[string]

// into is a branch that works on each element with do, in the worker of its fork.
func into(w *work) stream.Pipe[string, string] {
	return func(s strs) strs { return s.Tap(w.do) }
}

// beside is a branch with lanes of its own, in the order that holds at its fork.
func beside(n int, w *work) stream.Pipe[string, string] {
	return func(s strs) strs { return s.Concurrent(n, w.do) }
}

func isB(v string) bool { return v[:1] == "b" }

func TestAlsoTo(t *testing.T) {
	for name, branch := range map[string]func(*work) stream.Pipe[string, string]{
		"in the worker of the fork": into,
		"with lanes of its own":     func(w *work) stream.Pipe[string, string] { return beside(2, w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("sends each element both ways, in the order of its lane", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(2), newWork(), newWork()
					put(l, 0, "a0", "b0", "a1", "b1", "a2")
					put(l, 1, "c0", "c1")
					l.Finish()
					j := start(t, l, commitNow(input.GroupByKey().AlsoTo(branch(side)).Concurrent(4, main.do)))
					must(t, j.wait())
					for _, w := range []*work{main, side} {
						same(t, "a", w.doneOf("a"), count("a", 3))
						same(t, "b", w.doneOf("b"), count("b", 2))
						same(t, "c", w.doneOf("c"), count("c", 2))
					}
					j.committed(5, 2)
				})
			})
			t.Run("finishes a record when both ways have", func(t *testing.T) {
				for _, slow := range []string{"main", "branch"} {
					bubble(t, func(t *testing.T) {
						l, main, side := newLog(1), newWork(), newWork()
						w := map[string]*work{"main": main, "branch": side}[slow]
						release := w.hold("a0")
						put(l, 0, "a0")
						j := start(t, l, commitNow(input.AlsoTo(branch(side)).Concurrent(4, main.do)))
						j.committed(-1)
						release()
						synctest.Wait()
						j.committed(1)
					})
				}
			})
			t.Run("halts the partition for a failure of the branch, and tries both again", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork().poison("a1", errBoom)
					put(l, 0, "a0", "a1", "a2")
					halting := func(s strs) strs { return s.Via(branch(side)).HaltOnError() }
					j := start(t, l, commitNow(input.GroupByKey().AlsoTo(halting).Concurrent(4, main.do)))
					if h := j.halt(); h.Meta.Offset != 1 {
						t.Errorf("halted at %v", h)
					}
					j.committed(1)
					side.poison("a1", nil)
					must(t, j.Resume(j.halt()))
					synctest.Wait()
					same(t, "the branch", side.done(), count("a", 3))
					if got := main.done(); got[len(got)-1] != "a2" {
						t.Errorf("the main line: %v", got)
					}
					j.committed(3)
				})
			})
			t.Run("fails the pipeline for a failure that the branch has no policy for", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork().poison("a0", errBoom)
					put(l, 0, "a0")
					j := start(t, l, commitNow(input.AlsoTo(branch(side)).Concurrent(4, main.do).SkipOnError()))
					says(t, j.wait(), "boom")
					j.committed(0)
				})
			})
			t.Run("skips in the branch alone", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork().poison("a0", errBoom)
					put(l, 0, "a0", "a1")
					skipping := func(s strs) strs { return s.Via(branch(side)).SkipOnError() }
					j := start(t, l, commitNow(input.GroupByKey().AlsoTo(skipping).Concurrent(4, main.do)))
					same(t, "the main line", main.done(), []string{"a0", "a1"})
					same(t, "the branch", side.done(), []string{"a1"})
					j.committed(2)
				})
			})
			t.Run("repeats each side after a crash", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork()
					release := side.hold("a0")
					put(l, 0, "a0")
					chain := func() stream.Stream[string] {
						return commitNow(input.AlsoTo(branch(side)).Concurrent(4, main.do))
					}
					j := join(t, l, chain())
					must(t, j.member.Assign(0))
					synctest.Wait()
					must(t, j.member.Lose(0))
					synctest.Wait()
					release()
					must(t, j.member.Assign(0))
					synctest.Wait()
					same(t, "the branch", side.done(), []string{"a0"})
					if n := len(main.done()); n == 0 {
						t.Error("the main line has lost it")
					}
					j.committed(1)
				})
			})
		})
	}
	t.Run("starts nothing on the main line for a record that a branch in its worker has halted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork().poison("a1", errBoom)
			put(l, 0, "a0", "a1", "a2")
			branch := func(s strs) strs { return s.Tap(side.do).HaltOnError() }
			j := start(t, l, commitNow(input.AlsoTo(branch).Serial(main.do)))
			same(t, "the main line", main.tried(), []string{"a0"})
			side.poison("a1", nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "the main line", main.tried(), count("a", 3))
			j.committed(3)
		})
	})
	t.Run("does not hold the main line for a slow branch, up to MaxInFlight", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			release := side.hold("a0")
			put(l, 0, count("a", 20)...)
			branch := func(s strs) strs { return s.Concurrent(4, side.do, stream.Named("audit")) }
			j := start(t, l, commitNow(input.GroupByKey().AlsoTo(branch).Concurrent(4, main.do)), stream.MaxInFlight(8))
			same(t, "the main line", main.done(), count("a", 8))
			same(t, "the branch", side.tried(), []string{"a0"})
			j.explains(stream.CauseHandler, []stream.Cause{stream.CauseBudget}, "waits for the handler of audit")
			release()
			synctest.Wait()
			same(t, "the branch", side.done(), count("a", 20))
			j.committed(20)
		})
	})
	t.Run("does not hold the main line for a step that may wait", func(t *testing.T) {
		for name, option := range map[string]func(*shut) stream.StepOption{
			"in a middleware":  func(s *shut) stream.StepOption { return stream.Use(s.middleware) },
			"within a Timeout": func(*shut) stream.StepOption { return stream.Timeout(time.Minute) },
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork()
					door := newShut(side)
					release := side.hold("a0")
					put(l, 0, count("a", 8)...)
					branch := func(s strs) strs { return s.Tap(side.do, option(door)) }
					j := start(t, l, commitNow(input.GroupByKey().AlsoTo(branch).Concurrent(4, main.do)))
					same(t, "the main line", main.done(), count("a", 8))
					same(t, "the branch", side.done(), nil)
					close(door.open)
					release()
					synctest.Wait()
					same(t, "the branch", side.done(), count("a", 8))
					j.committed(8)
				})
			})
		}
	})
	t.Run("waits for a retry on one side only", func(t *testing.T) {
		for _, failing := range []string{"main", "branch"} {
			t.Run(failing, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork()
					bad, good := main, side
					if failing == "branch" {
						bad, good = side, main
					}
					bad.fail("a0", errBoom)
					put(l, 0, "a0", "a1")
					retrying := func(s strs) strs { return s.Tap(side.do).RetryOnError(every(time.Minute, 2)) }
					j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, pass).AlsoTo(retrying).Concurrent(4, main.do).RetryOnError(every(time.Minute, 2))))
					same(t, "the side that works", good.done(), []string{"a0", "a1"})
					same(t, "the side that waits", bad.done(), nil)
					elapse(time.Minute)
					same(t, "the side that has waited", bad.done(), []string{"a0", "a1"})
					j.committed(2)
					if n := len(good.tried()); n != 2 {
						t.Errorf("the side that works was called %d times", n)
					}
				})
			})
		}
	})
	t.Run("keeps the attempts of both sides", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork().poison("a0", errBoom), newWork().poison("a0", errBoom)
			put(l, 0, "a0")
			retrying := func(s strs) strs {
				return s.Tap(side.do).RetryOnError(every(time.Hour, 9)).HaltOnError()
			}
			chain := func() strs {
				return commitNow(input.GroupByKey().AlsoTo(retrying).Concurrent(4, main.do).RetryOnError(every(time.Hour, 9)).HaltOnError())
			}
			j := start(t, l, chain(), stream.BuildID(""))
			must(t, j.stop())
			j = start(t, l, chain(), stream.BuildID(""))
			got := heard[stream.Retrying](j)
			if len(got) != 2 || got[0].Attempts < 2 || got[1].Attempts < 2 {
				t.Errorf("retries after a restart: %v", got)
			}
		})
	})
	t.Run("writes dead letters of a branch beside the main line", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side, dead := newLog(1), newWork(), newWork().poison("a0", errBoom), &sink[stream.Failure]{takes: time.Minute}
			put(l, 0, "a0", "a1")
			branch := func(s strs) strs { return s.Tap(side.do).DeadLetterOnError(dead) }
			j := start(t, l, commitNow(input.GroupByKey().AlsoTo(branch).Concurrent(4, main.do)))
			same(t, "the main line", main.done(), []string{"a0", "a1"})
			j.committed(-1)
			elapse(time.Minute)
			if len(dead.all()) != 1 {
				t.Errorf("dead letters: %v", dead.all())
			}
			j.committed(2)
		})
	})
	t.Run("parks the lane of a record at the source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork().poison("a0", errBoom)
			side.takes = time.Second // the main line comes first
			put(l, 0, "a0")
			branch := func(s strs) strs { return s.Concurrent(4, side.do).ParkOnError() }
			j := start(t, l, commitNow(input.GroupByKey().AlsoTo(branch).Concurrent(4, main.do)))
			elapse(2 * time.Second)
			if h := j.halt(); h.Scope != stream.ScopeLane {
				t.Errorf("scope %s", h.Scope)
			}
			put(l, 0, "a1", "b0")
			elapse(2 * time.Second)
			same(t, "the main line", main.done(), []string{"a0", "b0"})
			side.poison("a0", nil)
			must(t, j.Resume(j.halt()))
			elapse(5 * time.Second)
			same(t, "the main line", main.doneOf("a"), []string{"a0", "a0", "a1"})
			same(t, "the branch", side.doneOf("a"), []string{"a0", "a1"})
			j.committed(3)
		})
	})
	t.Run("clones for the branch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, seen := newLog(1), make(chan string, 1)
			put(l, 0, "a0")
			read := func(s stream.Stream[[]byte]) stream.Stream[[]byte] {
				return s.Concurrent(1, func(_ ctx, b []byte) error { time.Sleep(time.Second); seen <- string(b); return nil })
			}
			bytes := func(_ ctx, v string) ([]byte, error) { return []byte(v), nil }
			write := func(_ ctx, b []byte) error { b[0] = 'X'; return nil }
			start(t, l, commitNow(input.Map(bytes).AlsoTo(read, stream.Clone(slices.Clone[[]byte])).Concurrent(1, write)))
			if v := <-seen; v != "a0" {
				t.Errorf("the branch has seen %q", v)
			}
		})
	})
	t.Run("shares a batch, and each side splits off its failed elements", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), &sink[string]{}, newWork()
			put(l, 0, count("a", 8)...)
			l.Finish()
			partly := func(_ ctx, vs []string) error {
				switch {
				case slices.Contains(vs, "a1"):
					return &stream.PartialError{Errs: map[int]error{slices.Index(vs, "a1"): errBoom}}
				case slices.Contains(vs, "a5") && len(vs) > 1:
					later := stream.Postpone(errBoom, func(ctx) error { return nil })
					return &stream.PartialError{Errs: map[int]error{slices.Index(vs, "a5"): later}}
				}
				return nil
			}
			branch := func(s stream.Stream[[]string]) strs {
				return s.Tap(partly).SkipOnError().FlatMapSlice(func(_ ctx, vs []string) ([]string, error) { return vs, nil }).Tap(side.do)
			}
			j := start(t, l, commitNow(input.Batch[[]string](4, 0).AlsoTo(branch).FlatMap(flat).To(main)))
			must(t, j.wait())
			same(t, "the main line", main.values(), count("a", 8))
			same(t, "the branch", side.done(), []string{"a0", "a2", "a3", "a4", "a6", "a7", "a5"})
			j.committed(8)
		})
	})
	t.Run("drains both sides", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			main.takes, side.takes = time.Second, 2*time.Second
			put(l, 0, count("a", 4)...)
			j := start(t, l, commitNow(input.GroupByKey().AlsoTo(beside(4, side)).Concurrent(4, main.do)))
			elapse(1500 * time.Millisecond)
			must(t, j.stop())
			same(t, "the main line", main.done(), []string{"a0", "a1"})
			same(t, "the branch", side.done(), []string{"a0", "a1"})
			j.committed(2)
		})
	})
	t.Run("holds a lane with CommitEach until both sides are committed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			release := side.hold("a0")
			put(l, 0, "a0", "a1")
			j := start(t, l, input.GroupByKey().AlsoTo(beside(4, side)).Concurrent(4, main.do).CommitEach())
			j.committed(-1)
			release()
			synctest.Wait()
			j.committed(2)
		})
	})
}

func TestDivertTo(t *testing.T) {
	t.Run("sends matching elements into the branch only", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			put(l, 0, "a0", "b0", "a1", "b1")
			l.Finish()
			j := start(t, l, commitNow(input.GroupByKey().DivertTo(isB, beside(4, side)).Concurrent(4, main.do)))
			must(t, j.wait())
			same(t, "the main line", main.done(), []string{"a0", "a1"})
			same(t, "the branch", side.done(), []string{"b0", "b1"})
			j.committed(4)
		})
	})
	t.Run("finishes diverted elements at the end of the branch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			release := side.hold("b0")
			put(l, 0, "b0", "a0")
			j := start(t, l, commitNow(input.DivertTo(isB, beside(4, side)).Concurrent(4, main.do)))
			same(t, "the main line", main.done(), []string{"a0"})
			j.committed(0)
			release()
			synctest.Wait()
			j.committed(2)
		})
	})
	t.Run("fails at the fork when match panics, for the policies below it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			put(l, 0, "a0", "b0")
			match := func(v string) bool {
				if isB(v) {
					panic("no match")
				}
				return false
			}
			j := start(t, l, commitNow(input.DivertTo(match, beside(4, side), stream.Named("divert")).SkipOnError().Concurrent(4, main.do)))
			same(t, "the main line", main.done(), []string{"a0"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Step != "divert" {
				t.Errorf("skipped: %v", got)
			}
			j.committed(2)
		})
	})
	t.Run("holds an element back for a Resume of its branch alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork().poison("b0", errBoom)
			put(l, 0, "b0", "a0", "b1")
			branch := func(s strs) strs { return s.Concurrent(4, side.do).ParkOnError() }
			j := start(t, l, commitNow(input.GroupByKey().DivertTo(isB, branch).Concurrent(4, main.do)))
			same(t, "the main line", main.done(), []string{"a0"})
			side.poison("b0", nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "the branch", side.done(), []string{"b0", "b1"})
			same(t, "the main line", main.done(), []string{"a0"})
			j.committed(3)
		})
	})
}

func TestBranch(t *testing.T) {
	t.Run("accepts every word", func(t *testing.T) {
		side := newWork()
		tap := func(s strs) strs { return s.Tap(side.do) }
		for name, branch := range map[string]stream.Pipe[string, string]{
			"Batch":     func(s strs) strs { return s.Batch[[]string](3, time.Minute).FlatMap(flat).Via(tap) },
			"To":        func(s strs) strs { return s.To(&sink[string]{}).Via(tap) },
			"GroupBy":   func(s strs) strs { return s.GroupBy(func(v string) string { return v[:1] }).Concurrent(3, side.do) },
			"Throttle":  func(s strs) strs { return s.Throttle(1000, 1).Via(tap) },
			"Transform": func(s strs) strs { return s.Transform("door", pump).Via(tap) },
			"FlatMap":   func(s strs) strs { return s.Map(echo).Filter(func(string) bool { return true }).Via(tap) },
			"KeepOrder": func(s strs) strs { return s.MapConcurrent(3, echo, stream.KeepOrder()).Via(tap) },
			"forks": func(s strs) strs {
				return s.AlsoTo(func(s strs) strs {
					return s.DivertTo(isB, func(s strs) strs { return s.Concurrent(2, pass) }).Serial(pass)
				}).DivertTo(isB, tap).Via(tap)
			},
		} {
			for kind, fork := range map[string]func(stream.Pipe[string, string]) strs{
				"AlsoTo":   func(b stream.Pipe[string, string]) strs { return input.AlsoTo(b) },
				"DivertTo": func(b stream.Pipe[string, string]) strs { return input.DivertTo(func(string) bool { return true }, b) },
				"below CommitBefore": func(b stream.Pipe[string, string]) strs {
					return input.CommitBefore(1, 0).AlsoTo(b)
				},
			} {
				t.Run(name+"/"+kind, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						*side = *newWork() //nolint:govet // nothing runs
						l, main := newLog(2), newWork()
						put(l, 0, "a0", "b0", "a1", "b1")
						put(l, 1, "c0")
						l.Finish()
						s := fork(branch).Concurrent(4, main.do)
						if kind != "below CommitBefore" {
							s = commitNow(s)
						}
						j := start(t, l, s)
						must(t, j.wait())
						order := same
						if name == "FlatMap" { // runs in the workers of its fork, which keep none
							order = sameSet
						}
						order(t, "a", side.doneOf("a"), count("a", 2))
						order(t, "b", side.doneOf("b"), count("b", 2))
						order(t, "c", side.doneOf("c"), count("c", 1))
						if kind != "DivertTo" {
							sameSet(t, "the main line", main.done(), []string{"a0", "a1", "b0", "b1", "c0"})
						}
						j.committed(4, 1)
					})
				})
			}
		}
	})
	t.Run("gets its elements in the order that holds at the fork", func(t *testing.T) {
		for name, chain := range map[string]func(main, side *work) strs{
			"above workers without order": func(main, side *work) strs {
				return input.AlsoTo(func(s strs) strs { return s.GroupByKey().Concurrent(4, side.do) }).Concurrent(8, main.do)
			},
			"above workers by key": func(main, side *work) strs {
				return input.AlsoTo(func(s strs) strs { return s.GroupByPartition().Serial(side.do) }).GroupByKey().Concurrent(8, main.do)
			},
			"in a branch of a branch": func(main, side *work) strs {
				return input.AlsoTo(func(s strs) strs {
					return s.AlsoTo(func(s strs) strs { return s.Serial(side.do) }).Map(echo).Tap(pass)
				}).Concurrent(8, main.do)
			},
			"below KeepOrder": func(main, side *work) strs {
				return input.MapConcurrent(8, main.echo, stream.KeepOrder()).AlsoTo(func(s strs) strs { return s.Serial(side.do) })
			},
		} {
			t.Run(name, func(t *testing.T) {
				for range 20 {
					bubble(t, func(t *testing.T) {
						l, main, side := newLog(1), newWork(), newWork()
						put(l, 0, count("a", 200)...)
						l.Finish()
						must(t, start(t, l, commitNow(chain(main, side))).wait())
						same(t, "the branch", side.done(), count("a", 200))
					})
				}
			})
		}
	})
	t.Run("runs its fork in workers that give it its order, or else in one per partition", func(t *testing.T) {
		keyed := func(s strs) strs { return s.GroupByKey().Concurrent(2, pass) }
		loose := func(s strs) strs { return s.Concurrent(2, pass) }
		serial := func(s strs) strs { return s.Serial(pass) }
		store := func(s strs) strs { return s.To(new(sink[string])) }
		tap := func(s strs) strs { return s.Tap(pass) }
		inner := func(s strs) strs { return s.AlsoTo(serial).Tap(pass) }
		for name, c := range map[string]struct {
			chain strs
			order string // of the stage of the fork
		}{
			"none for what needs none":             {input.AlsoTo(loose).Concurrent(8, pass), "none"},
			"none for what runs in its worker":     {input.AlsoTo(tap).Concurrent(8, pass), "none"},
			"the partition's for Serial":           {input.AlsoTo(serial).Concurrent(8, pass), "per partition"},
			"the partition's above workers by key": {input.AlsoTo(serial).GroupByKey().Concurrent(8, pass), "per partition"},
			"the partition's within a branch":      {input.AlsoTo(inner).Concurrent(8, pass), "per partition"},
			"the partition's for a sink":           {input.AlsoTo(store).GroupByKey().Concurrent(8, pass), "per partition"},
			"the partition's for keys":             {input.AlsoTo(keyed).Concurrent(8, pass), "per partition"},
			"the key's for keys":                   {input.AlsoTo(keyed).GroupByKey().Concurrent(8, pass), "per key"},
			"the key's for a sink":                 {input.GroupByKey().AlsoTo(store).Concurrent(8, pass), "per key"},
			"the key's below work":                 {input.GroupByKey().Concurrent(8, pass).AlsoTo(store).Concurrent(4, pass), "per key"},
		} {
			t.Run(name, func(t *testing.T) {
				p, err := c.chain.Build(newLog(1).Source())
				must(t, err)
				if sg := p.Describe().Stages[0]; sg.Order != c.order {
					t.Errorf("order %q, want %q:\n%v", sg.Order, c.order, p.Describe())
				}
			})
		}
	})
	t.Run("works above and below a Merge", func(t *testing.T) {
		in := func(v string) bool { return v == "b7" }
		for name, branch := range map[string]func(*work) stream.Pipe[string, string]{
			"in the worker of the fork": into,
			"with lanes": func(w *work) stream.Pipe[string, string] {
				return func(s strs) strs { return s.Serial(w.do) }
			},
		} {
			for kind, below := range map[string]func(strs, *work) strs{
				"no order": func(s strs, w *work) strs { return s.Concurrent(8, w.do) },
				"by key":   func(s strs, w *work) strs { return s.GroupByKey().Concurrent(8, w.do) },
				"a stage":  func(s strs, w *work) strs { return s.GroupByKey().Concurrent(8, pass).Concurrent(8, w.do) },
			} {
				t.Run(name+", "+kind, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						p, main, above, side, out := newPair(), newWork(), newWork(), newWork(), newWork()
						put(p.eu, 0, count("a", 50)...)
						put(p.us, 0, count("b", 50)...)
						p.finish()
						s := stream.Merge(
							from().As("eu").AlsoTo(branch(above)),
							from().As("us").DivertTo(in, branch(out))).
							AlsoTo(branch(side))
						must(t, p.start(t, commitNow(below(s, main))).wait())
						if name == "with lanes" || kind != "no order" {
							same(t, "above, of one source", above.done(), count("a", 50))
							same(t, "below, of one source", side.doneOf("a"), count("a", 50))
						}
						sameSet(t, "above, of one source", above.done(), count("a", 50))
						same(t, "diverted", out.done(), []string{"b7"})
						if n, m := len(side.done()), len(main.done()); n != 99 || m != 99 {
							t.Errorf("%d of 99 in the branch, %d on the main line", n, m)
						}
						p.committed(t, 50, 50)
					})
				})
			}
		}
	})
	t.Run("holds results of the main line back for CommitWith", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, side, b := newLog(1), newWork(), newDatabase()
			release := side.hold("a0")
			put(l, 0, "a0", "b0", "c0")
			chain := input.DivertTo(func(v string) bool { return v == "c0" }, beside(2, side)).AlsoTo(beside(2, side)).GroupByKey().MapConcurrent(8, echo)
			j := start(t, l, chain.CommitWith(b, 1000, time.Second))
			elapse(time.Minute)
			same(t, "stored while the branch is at work", b.stored(), nil)
			release()
			elapse(time.Minute)
			same(t, "transactions", b.written(), []string{"0:[0,3) a0 b0"})
			must(t, j.stop())
		})
	})
	t.Run("ends a lane of CommitWith of size one when it is last", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, side, b := newLog(1), newWork(), newDatabase()
			side.takes = time.Second
			put(l, 0, "a0", "a1")
			l.Finish()
			j := start(t, l, input.GroupByKey().AlsoTo(beside(2, side)).MapConcurrent(8, echo).CommitWith(b, 1, 0))
			must(t, j.wait())
			same(t, "stored", b.stored(), []string{"a0", "a1"})
		})
	})
	t.Run("above CommitBefore has to finish before the commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork(), newWork()
			release := side.hold("a0")
			put(l, 0, "a0")
			j := start(t, l, input.AlsoTo(beside(2, side)).CommitBefore(1, 0).Concurrent(2, main.do))
			same(t, "below the commit", main.tried(), nil)
			release()
			synctest.Wait()
			same(t, "below the commit", main.done(), []string{"a0"})
			j.committed(1)
		})
	})
	t.Run("above CommitBefore keeps the committed records of a batch", func(t *testing.T) {
		for name, c := range map[string]struct {
			chain func(s strs, w *work) strs
			says  string
		}{
			"in its tail": {chain: func(s strs, w *work) strs {
				return s.Batch(3, 0).CommitBefore(1, 0).FlatMap(flat).Tap(w.do)
			}},
			"named, where it is no batch any longer": {chain: func(s strs, w *work) strs {
				return s.Batch(3, 0).FlatMap(flat).CommitBefore(1, 0).Tap(w.do)
			}, says: "t[0]@0 (lost, since it was committed); t[0]@1 (lost, since it was committed); set"},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork().fail("a2", errBoom)
					put(l, 0, "a0", "a1", "a2")
					branch := func(s strs) strs { return s.Concurrent(4, side.do).RetryOnError(every(time.Hour, 5)) }
					j := start(t, l, c.chain(input.AlsoTo(branch), main))
					j.committed(2)
					err := j.stop()
					if c.says != "" {
						says(t, err, c.says)
						return
					}
					must(t, err)
					same(t, "below the commit", main.done(), []string{"a0", "a1"})
				})
			})
		}
	})
	t.Run("above CommitBefore keeps the committed records of a batch, even if its partition is lost", func(t *testing.T) {
		for name, chain := range map[string]func(s strs, w *work) strs{
			"in its tail": func(s strs, w *work) strs {
				return s.Batch(3, 0).CommitBefore(1, 0).FlatMap(flat).Tap(w.do)
			},
			"named, where it is no batch any longer": func(s strs, w *work) strs {
				return s.Batch(3, 0).FlatMap(flat).CommitBefore(1, 0).Tap(w.do)
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, side := newLog(1), newWork(), newWork().fail("a2", errBoom)
					put(l, 0, "a0", "a1", "a2")
					branch := func(s strs) strs { return s.Concurrent(4, side.do).RetryOnError(every(time.Hour, 5)) }
					j := join(t, l, chain(input.AlsoTo(branch), main))
					must(t, j.member.Assign(0))
					synctest.Wait()
					j.committed(2)
					must(t, j.member.Lose(0))
					synctest.Wait()
					told := heard[stream.StepEvent](j)
					if name == "in its tail" {
						same(t, "below the commit", main.done(), []string{"a0", "a1"})
					} else if len(told) != 1 || told[0].Name != "committed records lost" || !strings.HasPrefix(told[0].Text, "t[0]@0, t[0]@1: ") || told[0].Err == nil {
						t.Errorf("told: %+v", told)
					}
				})
			})
		}
	})
	t.Run("gives up its elements with the partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, main, side := newLog(1), newWork().poison("a1", errBoom), newWork()
			put(l, 0, "a0", "a1", "a2")
			branch := func(s strs) strs {
				return s.Batch[[]string](10, time.Hour).FlatMap(flat).Tap(side.do)
			}
			j := start(t, l, commitNow(input.GroupByPartition().AlsoTo(branch).Serial(main.do).HaltOnError()))
			if h := j.halt(); h.Meta.Offset != 1 {
				t.Errorf("halted at %v", h)
			}
			main.poison("a1", nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			j.log.Finish()
			must(t, j.wait())
			same(t, "the branch", side.done(), []string{"a0", "a1", "a2"})
			j.committed(3)
		})
	})
	t.Run("leaves words above it the degree of the degree word below", func(t *testing.T) {
		key := func(v string) byte { return v[0] }
		store := func(s strs) strs { return s.To(&sink[string]{}) }
		for name, c := range map[string]struct {
			grouped strs
			branch  func(strs) strs
			want    int // at a time
		}{
			"where it ungroups below a step":               {input.GroupBy(key), func(s strs) strs { return store(s.Tap(pass).Ungroup()) }, 2},
			"where it ungroups below a degree word":        {input.GroupByKey(), func(s strs) strs { return store(s.Concurrent(8, pass).Ungroup().Tap(pass)) }, 2},
			"where it ungroups below a sink":               {input.GroupByKey(), func(s strs) strs { return store(s).Ungroup().Tap(pass) }, 2},
			"but where it begins in the partition's order": {input.GroupByKey(), func(s strs) strs { return store(s.Ungroup()) }, 1},
			"but where a step of it does":                  {input.GroupBy(key), func(s strs) strs { return store(s.Tap(pass).Ungroup().Tap(pass)) }, 1},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					w.takes = time.Second
					put(l, 0, "a0", "b0", "a1", "b1")
					l.Finish()
					must(t, start(t, l, commitNow(c.grouped.Tap(w.do).AlsoTo(c.branch).Concurrent(8, pass))).wait())
					if w.peak() != c.want {
						t.Errorf("%d at a time, want %d", w.peak(), c.want)
					}
				})
			})
		}
	})
	t.Run("gets the order that a branch within it needs", func(t *testing.T) {
		key := func(v string) byte { return v[0] }
		for name, grouped := range map[string]strs{"by key": input.GroupByKey(), "by value": input.GroupBy(key)} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, main, inner := newLog(1), newWork(), newWork()
					put(l, 0, "a0", "b0", "a1", "b1")
					l.Finish()
					slow := func(_ ctx, v string) error {
						if v == "a0" {
							time.Sleep(time.Second)
						}
						return nil
					}
					lanes := func(s strs) strs { return s.Concurrent(2, inner.do) }
					inWorker := func(s strs) strs { return s.Ungroup().GroupByPartition().AlsoTo(lanes) }
					outer := func(s strs) strs { return s.AlsoTo(inWorker).To(&sink[string]{}) }
					must(t, start(t, l, commitNow(grouped.Tap(slow).AlsoTo(outer).Concurrent(8, main.do))).wait())
					same(t, "the inner branch", inner.done(), []string{"a0", "b0", "a1", "b1"})
				})
			})
		}
	})
	t.Run("stores a resume state where each way keeps the order of all", func(t *testing.T) {
		keyed := func(s strs) strs { return s.GroupByKey().Concurrent(4, pass) }
		loose := func(s strs) strs { return s.Ungroup().Concurrent(4, pass) }
		store := func(s strs) strs { return s.To(&sink[string]{}) }
		for name, c := range map[string]struct {
			chain strs
			want  bool
		}{
			"no order on either side":             {input.AlsoTo(loose).Concurrent(4, pass), true},
			"one order on both sides":             {input.AlsoTo(keyed).Via(keyed), true},
			"a branch without order":              {input.GroupByKey().AlsoTo(loose).Concurrent(4, pass), false},
			"a main line without order":           {input.AlsoTo(keyed).Via(loose), false},
			"a branch that writes in turn":        {input.AlsoTo(store).Via(keyed), true},
			"a branch by key, in its worker":      {store(input.AlsoTo(func(s strs) strs { return s.GroupByKey().Tap(pass) }).GroupByKey()), true},
			"diverted above work":                 {input.DivertTo(isB, keyed).Via(loose), true},
			"diverted below work in an order":     {input.Via(keyed).DivertTo(isB, store), false},
			"diverted below work without order":   {input.Via(loose).DivertTo(isB, store), true},
			"diverted at the end, in its worker":  {input.Via(keyed).DivertTo(isB, func(s strs) strs { return s.Tap(pass) }), true},
			"diverted within a branch below work": {input.AlsoTo(func(s strs) strs { return s.Via(keyed).DivertTo(isB, store) }), false},
		} {
			t.Run(name, func(t *testing.T) {
				p, err := commitNow(c.chain).Build(newLog(1).Source())
				must(t, err)
				if got := !strings.Contains(p.Describe().Guarantee, "no resume state"); got != c.want {
					t.Errorf("%v, want %v:\n%v", got, c.want, p.Describe())
				}
			})
		}
	})
}

// pump is a Transform that passes everything on.
func pump(_ context.Context, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
	for e := range in {
		out <- e
	}
	return nil
}
