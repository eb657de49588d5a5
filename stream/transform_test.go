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

type (
	in  = <-chan stream.Elem[string]
	out = chan<- stream.Elem[string]
)

func TestTransform(t *testing.T) {
	t.Run("keeps order and acknowledgement", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0", "a1", "b1")
			j := start(t, l, commitNow(input.GroupByKey().Transform("shout", func(_ ctx, in in, out chan<- stream.Elem[string]) error {
				for e := range in {
					out <- e.With(e.Value + "!")
				}
				return nil
			}).Concurrent(4, w.do)))
			same(t, "of key a", w.doneOf("a"), []string{"a0!", "a1!"})
			same(t, "of key b", w.doneOf("b"), []string{"b0!", "b1!"})
			j.committed(4)
			must(t, j.stop())
		})
	})
	t.Run("forks, joins, drops and fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "fork", "drop", "fail", "join1", "join2", "last")
			release := w.hold("fork2")
			var metas []string
			j := start(t, l, commitNow(input.Transform("all", func(_ ctx, in in, out out) error {
				var first stream.Elem[string]
				for e := range in {
					switch e.Value {
					case "fork":
						for i, f := range e.Fork(3) {
							out <- f.With(fmt.Sprint("fork", i+1))
						}
					case "drop":
						e.Drop()
					case "fail":
						e.Fail(errBoom)
					case "join1":
						first = e
					case "join2":
						out <- first.Join(e)
					default:
						out <- e
					}
				}
				return nil
			}).SkipOnError().Serial(func(c ctx, v string) error {
				for m := range stream.MetasOf(c) {
					metas = append(metas, fmt.Sprint(v, "@", m.Offset))
				}
				return w.do(c, v)
			})))
			j.committed(0)
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 2 || got[0].Step != "all" || !errors.Is(got[0].Err, errBoom) {
				t.Errorf("events: %v", got)
			}
			release()
			synctest.Wait()
			same(t, "done", w.done(), []string{"fork1", "fork2", "fork3", "join1", "last"})
			same(t, "metas", metas, []string{"fork1@0", "fork2@0", "fork3@0", "join1@3", "join1@4", "last@5"})
			j.committed(6)
		})
	})
	t.Run("may not return early", func(t *testing.T) {
		funcs := map[string]func(ctx, in, out) error{
			"returned before its input was closed": func(ctx, in, out) error { return nil },
			"boom":                                 func(ctx, in, out) error { return errBoom },
			"panic: boom":                          func(ctx, in, out) error { panic(errBoom) },
		}
		for want, f := range funcs {
			t.Run(want, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, count("a", 200)...)
					err := start(t, l, commitNow(input.Transform("short", f))).wait()
					if err == nil || !strings.Contains(err.Error(), "short: "+want) {
						t.Errorf("Run: %v", err)
					}
					if want != "returned before its input was closed" && !errors.Is(err, errBoom) {
						t.Errorf("%v does not unwrap", err)
					}
				})
			})
		}
	})
	t.Run("may not close its output", func(t *testing.T) {
		for name, f := range map[string]func(ctx, in, out) error{
			"at its end": func(_ ctx, in in, out out) error {
				defer close(out)
				for e := range in {
					out <- e
				}
				return nil
			},
			"and continues to receive": func(_ ctx, in in, out out) error {
				close(out)
				for e := range in {
					e.Drop()
				}
				return nil
			},
			"and continues to send": func(_ ctx, in in, out out) error {
				close(out)
				for e := range in {
					out <- e
				}
				return nil
			},
		} {
			t.Run(name+", which ends the pipeline and not the process", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a", "b")
					l.Finish()
					err := start(t, l, commitNow(input.Transform("shut", f).Serial(pass))).wait()
					says(t, err, "shut: it closed its output, which only the pipeline may close: remove close(out) and return")
					if strings.Contains(err.Error(), "panic") {
						t.Errorf("Run: %v", err)
					}
				})
			})
		}
		t.Run("early, which is found at once", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				err := start(t, newLog(1), commitNow(input.Transform("shut", func(_ ctx, in in, out out) error {
					close(out)
					for range in {
					}
					return nil
				}))).wait() // nothing comes, and nothing stops it
				says(t, err, "shut: it closed its output")
			})
		})
	})
	t.Run("may not close its output in other ways", func(t *testing.T) {
		t.Run("twice, or in a goroutine, or in a branch", func(t *testing.T) {
			for name, f := range map[string]func(ctx, in, out) error{
				"twice": func(_ ctx, _ in, out out) error { close(out); close(out); return nil },
				"by a goroutine": func(c ctx, _ in, out out) error {
					go close(out)
					<-c.Done()
					return nil
				},
			} {
				for where, chain := range map[string]stream.Stream[string]{
					"main line": input.Transform("shut", f).Serial(pass),
					"branch":    input.AlsoTo(func(s stream.Stream[string]) stream.Stream[string] { return s.Transform("shut", f).Serial(pass) }),
				} {
					bubble(t, func(t *testing.T) {
						l := newLog(1)
						put(l, 0, "a", "b")
						j := start(t, l, commitNow(chain), stream.DrainTimeout(time.Second))
						elapse(time.Minute)
						if j.running() {
							t.Fatalf("%s, in the %s: it runs", name, where)
						}
						says(t, j.wait(), "shut: it closed its output")
					})
				}
			}
		})
		t.Run("by a goroutine that outlives it, which harms nobody", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, returned, panics := newLog(1), make(chan struct{}), make(chan any, 1)
				put(l, 0, "a", "b")
				l.Finish()
				must(t, start(t, l, commitNow(input.Transform("late", func(_ ctx, in in, out out) error {
					for e := range in {
						out <- e
					}
					go func() {
						defer func() { panics <- recover() }()
						<-returned
						close(out)
					}()
					return nil
				}))).wait())
				close(returned)
				if p := <-panics; p != nil {
					t.Errorf("panic: %v", p)
				}
				committed(t, l, 2)
			})
		})
	})
	t.Run("may not be outlived by a goroutine that sends, whose element is named", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, over, panics := newLog(1), make(chan struct{}), make(chan any, 1)
			put(l, 0, "a")
			l.Finish()
			err := start(t, l, commitNow(input.Transform("late", func(_ ctx, in in, out out) error {
				e := <-in
				for range in {
				}
				go func() {
					defer func() { panics <- recover() }()
					time.Sleep(time.Millisecond)
					select {
					case out <- e:
					case <-over:
					}
				}()
				return nil
			})), stream.DrainTimeout(time.Second)).wait()
			says(t, err, "t[0]@0 (late neither passed it on nor dropped nor failed it)")
			close(over)
			if p := <-panics; p != nil {
				t.Errorf("panic: %v", p)
			}
		})
	})
	t.Run("may send what it has when its input is closed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c")
			j := start(t, l, commitNow(input.Transform("last", func(_ ctx, in in, out out) error {
				var kept []stream.Elem[string]
				for e := range in {
					kept = append(kept, e)
				}
				for _, e := range kept {
					out <- e
				}
				return nil
			}).Batch(2, 0).FlatMap(flat).Serial(w.do)))
			j.committed(-1)
			must(t, j.stop())
			same(t, "done", w.done(), []string{"a", "b", "c"})
			j.committed(3)
		})
	})
	t.Run("feeds another Transform", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 100)...)
			put(l, 1, count("b", 100)...)
			forward := func(_ ctx, in in, out out) error {
				for e := range in {
					out <- e
				}
				return nil
			}
			l.Finish()
			j := start(t, l, input.GroupByPartition().Transform("one", forward).Batch(7, 0).FlatMap(flat).Transform("two", forward).Serial(w.do).CommitEvery(10, 0, stream.ByCountOnly()))
			must(t, j.wait())
			same(t, "partition 0", w.doneOf("a"), count("a", 100))
			same(t, "partition 1", w.doneOf("b"), count("b", 100))
			j.committed(100, 100)
		})
	})
	t.Run("is not retried, though its failures have policies", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.Transform("bad", func(_ ctx, in in, out out) error {
				for e := range in {
					e.Fail(errBoom)
				}
				return nil
			}).Map(func(_ ctx, v string) (string, error) { return v, nil }).RetryOnError(every(0, 5)).HaltOnError()))
			if h := j.halt(); h.Meta.Offset != 0 || h.Attempts != 1 {
				t.Errorf("halt: %v", h)
			}
		})
	})
	t.Run("releases the elements of a lost partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a")
			put(l, 1, "b")
			j := join(t, l, commitNow(input.Transform("late", func(_ ctx, in in, out out) error {
				var kept []stream.Elem[string]
				for e := range in {
					kept = append(kept, e)
				}
				for _, e := range kept {
					out <- e
				}
				return nil
			}).Serial(w.do)))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Lose(0))
			must(t, j.stop())
			same(t, "done", w.done(), []string{"b"})
			committed(t, l, -1, 1)
		})
	})
}

func TestElem(t *testing.T) {
	t.Run("forked into none is finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Transform("none", func(_ ctx, in in, out out) error {
				for e := range in {
					e.Fork(0)
				}
				return nil
			})))
			j.committed(1)
		})
	})
	t.Run("neither passed on nor dropped is named", func(t *testing.T) {
		lose := func(_ ctx, in in, out out) error {
			for e := range in {
				if e.Value != "b" {
					out <- e
				}
			}
			return nil
		}
		ends := map[string]func(*testing.T, *job) error{
			"at a drain":            func(_ *testing.T, j *job) error { return j.stop() },
			"when there is no more": func(_ *testing.T, j *job) error { j.log.Finish(); return j.wait() },
		}
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a", "b", "c")
					j := start(t, l, commitNow(input.Transform("lossy", lose)))
					began := time.Now()
					err := end(t, j)
					if took := time.Since(began); took > time.Second {
						t.Errorf("took %v: nothing is to be waited for", took)
					}
					if !errors.Is(err, stream.ErrDrain) || strings.Count(err.Error(), "t[0]@1") != 1 ||
						!strings.Contains(err.Error(), "t[0]@1 (lossy neither passed it on nor dropped nor failed it)") || strings.Contains(err.Error(), "t[0]@0") {
						t.Errorf("Run: %v", err)
					}
					j.committed(1)
				})
			})
		}
	})
	t.Run("lost is named whichever partition finishes last", func(t *testing.T) {
		for range 100 {
			bubble(t, func(t *testing.T) {
				l := newLog(8)
				for i := range 8 {
					put(l, i, "a")
				}
				put(l, 7, "b")
				err := start(t, l, commitNow(input.Transform("lossy", func(_ ctx, in in, out out) error {
					var kept []stream.Elem[string]
					for e := range in {
						kept = append(kept, e)
					}
					for _, e := range kept {
						if e.Value == "a" {
							e.Drop()
						}
					}
					return nil
				}))).stop()
				if !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), "t[7]@1 (lossy neither") {
					t.Fatalf("Run: %v", err)
				}
			})
		}
	})
	t.Run("used twice ends the pipeline", func(t *testing.T) {
		uses := map[string]func(stream.Elem[string], out){
			"sent twice":        func(e stream.Elem[string], out out) { out <- e; out <- e },
			"sent and dropped":  func(e stream.Elem[string], out out) { e.Drop(); out <- e },
			"dropped twice":     func(e stream.Elem[string], _ out) { e.Drop(); e.Drop() },
			"forked and sent":   func(e stream.Elem[string], out out) { e.Fork(0); out <- e },
			"failed and forked": func(e stream.Elem[string], _ out) { e.Fail(errBoom); e.Fork(2) },
			"joined twice":      func(e stream.Elem[string], _ out) { e.Join(e) },
		}
		for name, use := range uses {
			// a goroutine of the user's own, where a panic would end the process
			for _, beside := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " beside ", beside), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						l := newLog(1)
						put(l, 0, "a", "b")
						j := start(t, l, commitNow(input.Transform("twice", func(_ ctx, in in, out out) error {
							for e := range in {
								if e.Value != "b" {
									e.Drop()
									continue
								}
								if !beside {
									use(e, out)
									continue
								}
								done := make(chan struct{})
								go func() {
									defer close(done)
									use(e, out)
								}()
								<-done
							}
							return nil
						}).SkipOnError()))
						err := j.wait()
						if err == nil || !strings.Contains(err.Error(), "twice: the element of t[0]@1 was used twice") {
							t.Errorf("Run: %v", err)
						}
					})
				})
			}
		}
	})
}

func TestTransformJoin(t *testing.T) {
	pairs := func(_ ctx, in in, out out) error {
		var first *stream.Elem[string]
		for e := range in {
			if first == nil {
				first = &e
				continue
			}
			out <- first.Join(e).With(first.Value + e.Value)
			first = nil
		}
		if first != nil {
			first.Drop()
		}
		return nil
	}
	t.Run("of two partitions continues when one of them is lost", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a")
			j := join(t, l, commitNow(input.Transform("pairs", pairs).Serial(w.do).RetryOnError(every(time.Second, 5))))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			w.fail("ab", errBoom)
			put(l, 1, "b")
			synctest.Wait() // the pair waits for its retry
			must(t, j.member.Lose(0))
			elapse(2 * time.Second)
			committed(t, l, -1, 1)
			must(t, j.stop())
		})
	})
}
