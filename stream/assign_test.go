package stream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

func TestAssign(t *testing.T) {
	t.Run("refuses a partition twice in one call", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			twice := stream.From(func() stream.Source[string] { return assignsTwice{} })
			if err := twice.Serial(pass).Run(t.Context()); err == nil {
				t.Error("accepted")
			}
		})
	})
	t.Run("refuses a partition that is assigned", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := join(t, l, input)
			must(t, j.member.Assign(0))
			if err := j.member.Assign(0); err == nil || !strings.Contains(err.Error(), "t[0] was assigned twice: revoke it first") {
				t.Errorf("Assign: %v", err)
			}
		})
	})
}

func TestLoss(t *testing.T) {
	t.Run("ends a revoke that waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hold := make(chan struct{})
			var ends []stream.Event
			chain := input.Serial(func(ctx, string) error { <-hold; return nil })
			src, p, stop := runByHand(t, chain, stream.Observe(stream.Observer{Event: func(e stream.Event) {
				switch e.(type) {
				case stream.Revoked, stream.Lost:
					ends = append(ends, e)
				}
			}}))
			p.Feed([]string{"a"}, inARow(0), 1, 1)
			synctest.Wait()
			began, took := time.Now(), make(chan time.Duration, 1)
			go func() { src.in.Revoke(context.Background(), p); took <- time.Since(began) }()
			synctest.Wait()
			src.in.Lose(errBoom, p)
			if d := <-took; d > 0 {
				t.Errorf("the revoke of a lost partition went on for %v", d)
			}
			if _, lost := ends[0].(stream.Lost); len(ends) != 1 || !lost {
				t.Errorf("events %v, want that it was lost, and nothing else", ends)
			}
			close(hold)
			must(t, stop())
		})
	})
	t.Run("that is under way lets the partition be assigned again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hold, w := make(chan struct{}), newWork()
			chain := input.Tap(func(c ctx, v string) error {
				if v == "lost" {
					stream.OnSettled(c, func(bool) { <-hold })
				}
				return nil
			}).Batch[[]string](2, time.Minute).FlatMap(flat).Serial(w.do)
			src, p, stop := runByHand(t, chain)
			p.Feed([]string{"lost"}, inARow(0), 1, 1)
			synctest.Wait()
			go src.in.Lose(errBoom, p)
			synctest.Wait()
			src.in.Revoke(context.Background(), p)
			ps, err := src.in.Assign(t.Context(), stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t"}, Committed: -1})
			must(t, err)
			ps[0].Feed([]string{"again"}, inARow(0), 1, 1)
			time.Sleep(time.Minute)
			close(hold)
			synctest.Wait()
			same(t, "done", w.done(), []string{"again"})
			must(t, stop())
		})
	})
	t.Run("cancels handlers and never commits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "b0")
			put(l, 1, "c0")
			w.hold("b0")
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).SkipOnError().CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Lose(0))
			synctest.Wait()
			if len(w.causes) != 1 || !strings.Contains(w.causes[0].Error(), "t[0] was lost") || errors.Is(w.causes[0], context.Canceled) {
				t.Errorf("the handler's cause: %v", w.causes)
			}
			if got := heard[stream.Lost](j); len(got) != 1 || got[0].Err == nil {
				t.Errorf("events: %v", got)
			}
			if got := heard[stream.Skipped](j); len(got) != 0 {
				t.Errorf("a policy was applied to lost work: %v", got)
			}
			must(t, j.stop())
			j.committed(-1, 1)
		})
	})
	t.Run("by a crash commits nothing more", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c")
			w.hold("c")
			chain := input.Serial(w.do).CommitEvery(2, 0, stream.ByCountOnly())
			j := join(t, l, chain)
			must(t, j.member.Assign(0))
			synctest.Wait()
			j.committed(2)
			j.member.Crash()
			if err := j.wait(); err == nil {
				t.Error("Run returned no error")
			}
			j.committed(2)
			w.hold("c")()
			must(t, start(t, l, chain).stop())
			same(t, "done", w.done(), []string{"a", "b", "c"})
		})
	})
}

// A commit of others under way must not see an assignment before it is complete.
func TestAssignDuringCommits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, p, stop := runByHand(t, input.Concurrent(2, pass[string]).CommitEvery(1, 0))
		var low atomic.Int64
		src.stored = func(at map[stream.TopicPartition]stream.Position) {
			for which, pos := range at {
				if which.Partition > 0 && pos.Offset < 100 {
					low.Add(1)
				}
			}
		}
		var as []stream.Assignment
		for i := range 100 {
			as = append(as, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t", Partition: i + 1}, Next: 100, Committed: -1})
		}
		over := make(chan struct{})
		var feeds conc.WaitGroup
		feeds.Go(func() {
			for {
				if n, _ := p.Room(); n > 0 {
					p.Feed([]string{"a"}, inARow(p.Next()), p.Next()+1, 1)
				}
				select {
				case <-over:
					return
				default:
					runtime.Gosched()
				}
			}
		})
		for range 20 {
			ps, err := src.in.Assign(t.Context(), as...)
			must(t, err)
			src.in.Lose(errBoom, ps...)
		}
		close(over)
		feeds.Wait()
		must(t, stop())
		if n := low.Load(); n > 0 {
			t.Errorf("%d offsets below the first one were stored", n)
		}
	})
}

// source of one partition, given to the test.
type byHand struct {
	quiet
	assigned chan<- *stream.Partition[string]
	in       *stream.Intake[string]
	stored   func(map[stream.TopicPartition]stream.Position) // nil: nobody listens
}

func (h *byHand) Commit(_ context.Context, at map[stream.TopicPartition]stream.Position) error {
	if h.stored != nil {
		h.stored(at)
	}
	return nil
}

func (h *byHand) Run(ctx context.Context, in *stream.Intake[string]) error {
	h.in = in
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t"}, Committed: -1})
	if err != nil {
		return err
	}
	h.assigned <- ps[0]
	<-ctx.Done()
	return nil
}

// runByHand runs a chain whose one partition is the test's. stop ends the run and returns its
// error.
func runByHand(t *testing.T, chain strs, opts ...stream.Option) (src *byHand, p *stream.Partition[string], stop func() error) {
	t.Helper()
	assigned, ended := make(chan *stream.Partition[string], 1), make(chan error, 1)
	src = &byHand{assigned: assigned}
	c, cancel := context.WithCancel(t.Context())
	opts = append(opts, stream.ReplaceSource(func() stream.Source[string] { return src }))
	go func() { ended <- chain.Run(c, opts...) }()
	return src, <-assigned, func() error { cancel(); return <-ended }
}

// inARow is the lineage of records from an offset on.
type inARow int64

func (r inARow) Meta(i int) stream.Meta { return stream.Meta{Topic: "t", Offset: r.Offset(i)} }

func (inARow) Key(int) []byte { return nil }

func (r inARow) Offset(i int) int64 { return int64(r) + int64(i) }

type assignsTwice struct{ quiet }

func (assignsTwice) Run(ctx context.Context, in *stream.Intake[string]) error {
	a := stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t"}, Committed: -1}
	_, err := in.Assign(ctx, a, a)
	return err
}
