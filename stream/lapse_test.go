package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Once the source says that an assignment may be another worker's by now, nothing more of it is
// started, also before the source has lost it.
func TestExpired(t *testing.T) {
	var over *atomic.Bool
	begin := func() *hand {
		over = new(atomic.Bool)
		h := newHand(1)
		h.until = over.Load
		return h
	}
	t.Run("starts no further record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := begin(), newWork()
			release := w.hold("a")
			j := h.start(t, commitNow(h.chain().GroupByPartition().Serial(w.do)))
			h.feed(0, 1, "a")
			h.feed(0, 1, "b")
			synctest.Wait()
			over.Store(true)
			release()
			synctest.Wait()
			same(t, "tried", w.tried(), []string{"a"})
			if n := len(heard[stream.Lost](j)); n != 1 {
				t.Errorf("it was lost %d times", n)
			}
		})
	})
	for name, chain := range map[string]func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string]{
		"behind a Map": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.Map(expires).GroupByPartition().Serial(next)
		},
		"behind a Tap": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.Tap(func(c ctx, v string) error { _, err := expires(c, v); return err }).Tap(next)
		},
		"of a child": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.FlatMap(func(c ctx, v string) (seq[string], error) {
				_, err := expires(c, v)
				return slices.Values([]string{v, v}), err
			}).Concurrent(2, next)
		},
		"of a branch": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.Map(expires).AlsoTo(func(s stream.Stream[string]) stream.Stream[string] { return s.Tap(next) }).Serial(next)
		},
		"of a batch": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.Map(expires).Batch(1, time.Minute).Serial(func(c ctx, vs []string) error { return next(c, vs[0]) }).FlatMap(flat)
		},
		"behind a sink": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.To(writes(func(c ctx, es []stream.Out[string]) error { _, err := expires(c, es[0].Value); return err })).Tap(next)
		},
		"in a Transform": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			return s.Map(expires).Transform("t", func(c ctx, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
				for e := range in {
					_ = next(c, e.Value)
					out <- e
				}
				return nil
			})
		},
		"of a dead letter": func(s stream.Stream[string], expires func(ctx, string) (string, error), next func(ctx, string) error) stream.Stream[string] {
			letters := sinkFunc[stream.Failure](func(c ctx, fs []stream.Out[stream.Failure]) error { return next(c, "letter") })
			return s.Map(func(c ctx, v string) (string, error) { _, _ = expires(c, v); return v, errBoom }).DeadLetterOnError(letters)
		},
	} {
		t.Run("starts no further step "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, begun := begin(), 0
				expires := func(_ ctx, v string) (string, error) {
					over.Store(true)
					return v, nil
				}
				next := func(ctx, string) error { begun++; return nil }
				launch(t, nil, nil, commitNow(chain(h.chain(), expires, next)))
				<-h.ready
				h.feed(0, 1, "a")
				elapse(time.Minute)
				if begun > 0 {
					t.Errorf("%d calls", begun)
				}
			})
		})
	}
	t.Run("starts no further write", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, s := begin(), newBatchStore()
			out := asSink(s.store)
			out.takes = time.Second
			launch(t, nil, nil, commitNow(h.chain().GroupByPartition().To(out)))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			h.feed(0, 1, "b") // queued behind the write of a
			over.Store(true)
			elapse(time.Minute)
			if calls := s.called(); len(calls) != 1 {
				t.Errorf("calls: %v", calls)
			}
		})
	})
	t.Run("flushes no batch behind a sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, batches := begin(), 0
			launch(t, nil, nil, commitNow(h.chain().To(&sink[string]{}).Batch(10, time.Minute).Tap(func(context.Context, []string) error { batches++; return nil }).FlatMap(flat)))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			if batches > 0 {
				t.Errorf("%d batches were worked on", batches)
			}
		})
	})
	t.Run("retries nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := begin(), newWork().fail("a", errBoom)
			h.start(t, commitNow(h.chain().GroupByPartition().Serial(w.do).RetryOnError(every(time.Minute, 3))))
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			same(t, "tried", w.tried(), []string{"a"})
		})
	})
	t.Run("flushes no batch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, batches := begin(), 0
			launch(t, nil, nil, commitNow(h.chain().Batch(10, time.Minute).Serial(func(context.Context, []string) error { batches++; return nil })))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			if batches > 0 {
				t.Errorf("%d batches were worked on", batches)
			}
		})
	})
	t.Run("starts no transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, b := begin(), newDatabase()
			launch(t, nil, nil, h.chain().CommitWith(b, 10, time.Minute))
			<-h.ready
			h.feed(0, 1, "a")
			synctest.Wait()
			over.Store(true)
			elapse(time.Minute)
			same(t, "transactions", b.written(), nil)
		})
	})
	for name, chain := range map[string]func(*batchStore, stream.Stream[string]) stream.Stream[string]{
		"batch": func(s *batchStore, in stream.Stream[string]) stream.Stream[string] {
			return commitNow(in.GroupByPartition().Batch(4, time.Minute).Tap(s.store, stream.Bisect()).SkipOnError().FlatMap(flat))
		},
		"write": func(s *batchStore, in stream.Stream[string]) stream.Stream[string] {
			out := asSink(s.store)
			out.takes = time.Second // so that the others are queued behind the first one
			return commitNow(in.GroupByPartition().To(out).SkipOnError())
		},
	} {
		for nth, what := range []string{"the whole has failed", "a part has failed"} {
			t.Run("tries no further part of a "+name+" once "+what, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h, s, failures, calls := begin(), newBatchStore("a2"), 0, 0
					s.failed = func() {
						if failures++; failures == nth+1 {
							calls = len(s.calls)
							over.Store(true)
						}
					}
					launch(t, nil, nil, chain(s, h.chain()))
					<-h.ready
					for _, v := range count("a", 4) {
						h.feed(0, 1, v)
						synctest.Wait()
					}
					elapse(time.Minute)
					if all := s.called(); calls == 0 || len(all) != calls {
						t.Errorf("%d calls until it expired, then %v", calls, all)
					}
				})
			})
		}
	}
	for _, last := range []int{1, 3} { // after all results, or after a0 a1, and a0
		t.Run(fmt.Sprintf("tries no part of a failed transaction/after %d calls", last), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, b := begin(), newDatabase()
				for n := 1; n <= last; n++ {
					b.before = append(b.before, func(stream.Txn[string]) error { over.Store(n == last); return errBoom })
				}
				launch(t, nil, nil, h.chain().CommitWith(b, 4, time.Minute).HaltOnError())
				<-h.ready
				for _, v := range count("a", 4) {
					h.feed(0, 1, v)
				}
				elapse(time.Minute)
				if b.calls() != last {
					t.Errorf("%d transactions were tried", b.calls())
				}
			})
		})
	}
	t.Run("tries no postponed transaction again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, b := begin(), newDatabase()
			b.before = append(b.before, func(stream.Txn[string]) error {
				return stream.Postpone(errBoom, func(context.Context) error { over.Store(true); return nil })
			})
			launch(t, nil, nil, h.chain().CommitWith(b, 1, 0))
			<-h.ready
			h.feed(0, 1, "a")
			elapse(time.Minute)
			if b.calls() != 1 {
				t.Errorf("%d transactions were tried", b.calls())
			}
		})
	})
}
