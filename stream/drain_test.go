package stream_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestDrain(t *testing.T) {
	t.Run("finishes started records and starts no other", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork()
			put(l, 0, "a0", "b0", "c0", "d0")
			releaseA, releaseB := second.hold("a0"), first.hold("b0")
			j := start(t, l, input.GroupByKey().Concurrent(1, first.do).Concurrent(1, second.do).CommitEvery(100, time.Hour))
			same(t, "started", first.tried(), []string{"a0", "b0"})
			j.cancel()
			synctest.Wait()
			if !j.running() {
				t.Fatal("Run did not wait")
			}
			releaseA()
			releaseB()
			must(t, j.wait())
			same(t, "started", first.tried(), []string{"a0", "b0"})
			same(t, "finished", second.done(), []string{"a0", "b0"})
			j.committed(2)
		})
	})
	t.Run("does not cancel handlers", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			release := w.hold("a")
			j := start(t, l, commitNow(input.Serial(w.do)))
			j.cancel()
			elapse(24 * time.Second)
			release()
			must(t, j.wait())
			same(t, "done", w.done(), []string{"a"})
			j.committed(1)
		})
	})
	t.Run("heeds the deadline of the source's context, but not its cancellation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, s := newWork(), &feedsAtOnce{assigned: make(chan struct{}), left: []string{"a"}}
			release := w.hold("a")
			j := launch(t, nil, nil, commitNow(stream.From(func() stream.Source[string] { return s }).Serial(w.do)))
			<-s.assigned
			synctest.Wait()
			j.cancel() // s revokes with the context of its Run
			elapse(time.Second)
			release()
			must(t, j.wait())
			same(t, "done", w.done(), []string{"a"})
		})
	})
	t.Run("may take for ever", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			release := w.hold("a")
			j := start(t, l, commitNow(input.Serial(w.do)), stream.DrainTimeout(math.MaxInt64))
			j.cancel()
			elapse(24 * time.Hour)
			release()
			must(t, j.wait())
			j.committed(1)
		})
	})
	t.Run("gives up waiting retries", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "a1", "b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).SkipOnError()))
			began := time.Now()
			must(t, j.stop())
			if took := time.Since(began); took != 0 {
				t.Errorf("took %v", took)
			}
			sameSet(t, "tried", w.tried(), []string{"a0", "b0"})
			j.committed(0)
		})
	})
	t.Run("does not wait for throttled records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			for i := range 100 {
				l.Append(0, fmt.Sprint(i), fmt.Sprint(i))
			}
			j := start(t, l, commitNow(input.GroupByKey().Throttle(1, 1).Concurrent(4, w.do)))
			elapse(2 * time.Second)
			began := time.Now()
			must(t, j.stop())
			if took := time.Since(began); took > 0 {
				t.Errorf("the drain took %v", took)
			}
			// the order of turns is not specified
			if n, c := len(w.done()), l.Committed(0); n != 3 || c > 3 {
				t.Errorf("%d had their turn and %d is committed, want three turns", n, c)
			}
		})
	})
	t.Run("flushes batches and sinks", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, out := newLog(1), new(sink[[]string])
			put(l, 0, "a", "b", "c")
			j := start(t, l, input.Batch(100, time.Hour).To(out).CommitEvery(100, time.Hour))
			if len(out.all()) != 0 {
				t.Fatal("flushed too soon")
			}
			must(t, j.stop())
			if got := out.values(); len(got) != 1 || strings.Join(got[0], "") != "abc" {
				t.Errorf("written: %v", got)
			}
			j.committed(3)
		})
	})
	t.Run("finishes everything below a commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b", errBoom)
			put(l, 0, "a", "b", "c", "d")
			release := w.hold("a")
			j := start(t, l, input.CommitBefore(1, 0).Serial(w.do).RetryOnError(every(time.Second, 3)))
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			n := l.Committed(0)
			same(t, "done", w.done(), []string{"a", "b", "c", "d"}[:n])
		})
	})
}

func TestDrainTimeout(t *testing.T) {
	t.Run("cancels handlers and names their records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "b0")
			put(l, 1, "c0")
			w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)), stream.DrainTimeout(10*time.Second))
			began := time.Now()
			err := j.stop()
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("took %v", took)
			}
			if !errors.Is(err, stream.ErrDrain) || strings.Count(err.Error(), "t[0]@1") != 1 || strings.Contains(err.Error(), "t[1]") || !strings.Contains(err.Error(), "10s") {
				t.Errorf("Run: %v", err)
			}
			if len(w.causes) != 1 || !errors.Is(w.causes[0], stream.ErrDrain) {
				t.Errorf("the handler's cause: %v", w.causes)
			}
			j.committed(1, 1)
		})
	})
	t.Run("names a stuck handler and returns", func(t *testing.T) {
		chains := map[string]func(*work) stream.Stream[string]{
			"degree word":      func(w *work) stream.Stream[string] { return input.Serial(w.do, stream.Named("charge")) },
			"value step":       func(w *work) stream.Stream[string] { return input.Map(w.echo, stream.Named("charge")) },
			"value step above": func(w *work) stream.Stream[string] { return input.Map(w.echo, stream.Named("charge")).Serial(pass) },
			"value step below": func(w *work) stream.Stream[string] { return input.Serial(pass).Map(w.echo, stream.Named("charge")) },
			"sink":             func(w *work) stream.Stream[string] { return input.To(stuckSink{w}) },
			"batch":            func(w *work) stream.Stream[string] { return unbatched(w, input) },
			"below the commit": func(w *work) stream.Stream[string] {
				return input.CommitBefore(1, 0).Serial(w.do, stream.Named("charge"))
			},
			"batch below": func(w *work) stream.Stream[string] { return unbatched(w, input.CommitBefore(1, 0)) },
			"with its own time": func(w *work) stream.Stream[string] {
				return input.Serial(w.do, stream.Named("charge"), stream.Timeout(time.Second))
			},
		}
		for name, chain := range chains {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, "a", "b")
					w.deaf = true
					release := w.hold("a")
					// the handler must end before the bubble can
					defer func() { release(); synctest.Wait() }()
					s := chain(w)
					if !strings.Contains(name, "below the") && name != "batch below" {
						s = commitNow(s)
					}
					j := start(t, l, s, stream.DrainTimeout(5*time.Second))
					began := time.Now()
					err := j.stop()
					if took := time.Since(began); took < 6*time.Second || took > 6500*time.Millisecond {
						t.Errorf("Run took %v, want the drain's 5s and 1s more", took)
					}
					if !errors.Is(err, stream.ErrDrain) {
						t.Fatalf("Run: %v", err)
					}
					for _, part := range []string{"t[0]@0", "(step ", "charge", "ignores its cancelled context and was left running"} {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("%q does not say %q", err, part)
						}
					}
				})
			})
		}
	})
	t.Run("names committed records that could not finish", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			w.hold("a")
			j := start(t, l, input.CommitBefore(1, 0).Serial(w.do), stream.DrainTimeout(time.Second))
			synctest.Wait()
			j.committed(2)
			err := j.stop()
			if !errors.Is(err, stream.ErrDrain) {
				t.Fatalf("Run: %v", err)
			}
			for _, part := range []string{"t[0]@0 (lost, since it was committed)", "t[0]@1 (lost, since it was committed)"} {
				if strings.Count(err.Error(), part) != 1 {
					t.Errorf("%q does not say once %q", err, part)
				}
			}
		})
	})
	t.Run("of zero names what it loses below a commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			deaf := func(ctx, string) error { time.Sleep(time.Millisecond); return nil }
			j := start(t, l, input.CommitBefore(1, 0).Serial(deaf).Serial(pass[string]), stream.DrainTimeout(0))
			if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
				t.Errorf("a record that was committed did not get through, and Run returned %v", err)
			}
		})
	})
}

func unbatched(w *work, s stream.Stream[string]) stream.Stream[string] {
	return s.Batch(2, 0).MapSerial(func(c ctx, b []string) (string, error) { return b[0], w.do(c, b[0]) }, stream.Named("charge"))
}

type stuckSink struct{ w *work }

func (s stuckSink) Write(c ctx, es []stream.Out[string]) error { return s.w.do(c, es[0].Value) }
func (s stuckSink) String() string                             { return "charge" }
