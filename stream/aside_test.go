package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// damaged is a source that cannot read some records again.
type damaged struct {
	*streamtest.Member[string]
	from, to int64
	asked    int64 // the highest offset so far
}

func (d *damaged) Reread(ctx context.Context, at stream.TopicPartition, id stream.TopicID, from int64) (vals []string, lineage stream.Lineage, next, bytes int64, err error) {
	d.asked = max(d.asked, from) // by one goroutine at a time
	if d.from <= from && from < d.to {
		_ = d.Halt(at.Partition, d.from, d.to, errBoom) // the session ends before the pipeline does
		return nil, nil, from, 0, errBoom
	}
	vals, lineage, next, bytes, err = d.Member.Reread(ctx, at, id, from)
	if from < d.from && d.from < next {
		n := 0
		for n < len(vals) && lineage.Offset(n) < d.from {
			n++
		}
		vals, next = vals[:n], d.from
	}
	return vals, lineage, next, bytes, err
}

// onceOnly is a source that cannot read again.
type onceOnly struct{ stream.Source[string] }

// run runs a chain whose source is among the options.
func run(t *testing.T, s stream.Stream[string], opts ...stream.Option) *stream.Pipeline {
	t.Helper()
	p, err := s.Build(opts...)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return p
}

// mixed appends n records each of key a and b, in turns, from a number on.
func mixed(l *testLog, from, n int) {
	for i := range n {
		put(l, 0, fmt.Sprint("a", from+i), fmt.Sprint("b", from+i))
	}
}

// numbered is n values of a key from a number on.
func numbered(key string, from, n int) []string { return count(key, from+n)[from:] }

func TestSetAside(t *testing.T) {
	const n = 3000
	build := stream.BuildID("v1")
	few := stream.MaxInFlight(64)
	byKey := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError())
	}
	t.Run("keeps a lane out of memory, and reads it in order after Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n))
			same(t, "b", w.doneOf("b"), nil)
			s := j.Snapshot().Partitions[0]
			if s.InFlight > 64/8+1 || s.Full != stream.CauseNone || s.Watermark != 1 {
				t.Errorf("snapshot: %+v", s)
			}
			if len(l.State(0)) > 200 {
				t.Errorf("the state has %d bytes", len(l.State(0)))
			}
			must(t, j.Resume(j.halt()))
			mixed(l, n, 10)
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n+10))
			if got := len(w.tried()); got != 2*(n+10)+1 {
				t.Errorf("%d calls, want %d", got, 2*(n+10)+1)
			}
			must(t, j.stop())
			j.committed(2 * (n + 10))
		})
	})
	t.Run("drops what a lane has in memory beyond its share", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			fail := w.hold("b0")
			put(l, 0, count("b", n)...)
			put(l, 0, "a0")
			j := start(t, l, byKey(w), few) // b has all of MaxInFlight
			fail()
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), []string{"a0"})
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			if s := j.Snapshot().Partitions[0].Totals; s.Delivered != n+1 || s.Finished != n+1 {
				t.Errorf("totals: %+v", s)
			}
			must(t, j.stop())
			j.committed(n + 1)
		})
	})
	t.Run("goes on behind the record after Skip", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			must(t, j.Skip(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), numbered("b", 1, n-1))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("stops reading a lane that is parked again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom).fail("b1500", errBoom)
			mixed(l, 0, n)
			src := &damaged{Member: l.Member(), from: -1, to: -1}
			p := run(t, byKey(w), few, stream.ReplaceSource(func() stream.Source[string] { return src }))
			must(t, src.Assign(0))
			elapse(time.Minute)
			must(t, p.Resume(p.Halts()[0]))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", 1500))
			if s := p.Snapshot().Partitions[0]; s.InFlight > 64/8+64 || src.asked > 2*1500+1000 {
				t.Errorf("read again up to %d, snapshot: %+v", src.asked, s)
			}
			must(t, p.Resume(p.Halts()[0]))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			committed(t, l, 2*n)
		})
	})
	t.Run("survives a restart of the same build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			mixed(l, n, 10)
			j = start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n+10))
			same(t, "b", w.doneOf("b"), nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n+10))
			if got := len(w.tried()); got != 2*(n+10)+1 {
				t.Errorf("%d calls, want %d", got, 2*(n+10)+1)
			}
			must(t, j.stop())
			j.committed(2 * (n + 10))
		})
	})
	t.Run("is read by another build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			j = start(t, l, byKey(w), few, stream.BuildID("v2"))
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n))
			same(t, "b", w.doneOf("b"), count("b", n))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("is held by CommitEach for the commit of what is read again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			mixed(l, 0, 100)
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).ParkOnError().CommitEach(), stream.MaxInFlight(8))
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			// The runs of this commit's state span b1, which is read again before the commit is
			// made.
			stored, first := make(chan struct{}), true
			j.member.FailCommits(func(map[tp]int64) error {
				if first {
					first = false
					<-stored
					return nil
				}
				return errBoom
			})
			put(l, 0, "a100")
			release := w.hold("b1")
			elapse(time.Minute)
			must(t, j.Skip(j.halt()))
			elapse(time.Minute)
			close(stored)
			elapse(time.Millisecond)
			release()
			elapse(time.Minute)
			same(t, "done without a commit", w.doneOf("b"), []string{"b1"})
			j.member.FailCommits(nil)
			elapse(time.Minute)
			same(t, "done", w.doneOf("b"), count("b", 100)[1:])
			j.committed(201)
		})
	})
	t.Run("is read to the end of what an earlier worker had finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			put(l, 0, numbered("b", 0, 30)...)
			put(l, 0, "c0")
			mixed(l, 30, 25)
			put(l, 0, "c1") // behind c0, between two runs of what has finished
			mixed(l, 55, 25)
			release := w.hold("c0")
			j := join(t, l, byKey(w), few, build)
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			j.member.Crash()
			<-j.ended
			w.hold("c0")
			j = start(t, l, byKey(w), stream.MaxInFlight(1), stream.BuildID("v2")) // is read up to c0
			elapse(time.Minute)
			release()
			w.release()
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), numbered("a", 30, 50))
			same(t, "b", w.doneOf("b"), count("b", 80))
			must(t, j.stop())
			j.committed(132)
		})
	})
	t.Run("repeats nothing that an earlier worker had finished above what waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "b0", "b1", "b2")
			chain := commitNow(input.GroupByKey().MapConcurrent(4, w.echo).ParkOnError().Filter(func(v string) bool { return v != "b2" }).Batch(100, time.Hour).Concurrent(4, pass))
			j := join(t, l, chain, stream.MaxInFlight(9))
			must(t, j.member.Assign(0))
			elapse(time.Minute) // b2 is finished, and b0 and b1 are in an open batch
			j.member.Crash()
			<-j.ended
			put(l, 0, numbered("b", 3, 50)...)
			w.fail("b0", errBoom)
			j = start(t, l, chain, stream.MaxInFlight(9))
			elapse(time.Minute)
			if h := j.halt(); h.AsideFrom != 3 {
				t.Errorf("halt: %v", h)
			}
			must(t, j.Resume(j.halt()))
			elapse(2 * time.Hour)
			same(t, "done", w.done(), append(count("b", 3), append(count("b", 2), numbered("b", 3, 50)...)...))
			must(t, j.stop())
			j.committed(53)
		})
	})
	t.Run("survives crashes while it is read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			w.takes = time.Millisecond
			for range 5 {
				j = join(t, l, byKey(w), few, stream.BuildID("v2"))
				must(t, j.member.Assign(0))
				elapse(200 * time.Millisecond)
				j.member.Crash()
				<-j.ended
			}
			start(t, l, byKey(w), few, stream.BuildID("v2"))
			elapse(time.Minute)
			got := w.doneOf("b")
			if len(got) > n+10 {
				t.Errorf("%d of b are done, of which %d are repeated", len(got), len(got)-n)
			}
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			sameSet(t, "b", slices.Compact(got), count("b", n))
			committed(t, l, 2*n)
		})
	})
	t.Run("halts the partition at what cannot be read again, until that is skipped", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			m := l.Member()
			src := &damaged{Member: m, from: 1001, to: 1010}
			p := run(t, byKey(w), few, stream.ReplaceSource(func() stream.Source[string] { return src }))
			must(t, m.Assign(0))
			elapse(time.Minute)
			must(t, p.Resume(p.Halts()[0]))
			elapse(time.Minute)
			hs := p.Halts()
			if len(hs) != 1 || hs[0].Meta.Offset != 1001 || !errors.Is(hs[0].Err, errBoom) {
				t.Fatalf("halts: %v", hs)
			}
			if got := l.Committed(0); got != 1001 {
				t.Errorf("committed %d, want 1001", got)
			}
			must(t, p.Skip(hs[0]))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), append(count("b", 500), numbered("b", 505, n-505)...))
			if got := l.Committed(0); got != 2*n {
				t.Errorf("committed %d, want %d", got, 2*n)
			}
		})
	})
	t.Run("keeps a key out of memory that is parked by hand, in any chain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)), few)
			j.parkKey(t, "b")
			mixed(l, 0, n)
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n))
			if s := j.Snapshot().Partitions[0]; s.SetAside != 1 || s.InFlight > 64/8+1 {
				t.Errorf("snapshot: %+v", s)
			}
			must(t, j.stop())
			j = start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)), few)
			elapse(time.Minute)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("is not done with a source that cannot read again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			m := l.Member()
			p := run(t, byKey(w), few, stream.ReplaceSource(func() stream.Source[string] { return onceOnly{m} }))
			must(t, m.Assign(0))
			elapse(time.Minute)
			if s := p.Snapshot().Partitions[0]; s.SetAside != 0 || s.InFlight != 64 || s.Full != stream.CauseBudget {
				t.Errorf("snapshot: %+v", s)
			}
			must(t, p.Resume(p.Halts()[0]))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
		})
	})
	t.Run("makes room for others where fewer may be in flight than before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, count("b", 40)...)
			put(l, 0, "c0")
			w.hold("b0")
			j := join(t, l, byKey(w), few)
			must(t, j.member.Assign(0))
			elapse(time.Minute) // c0 has finished above 40 of b
			j.member.Crash()
			<-j.ended
			w.unhold("b0")
			w.fail("b0", errBoom)
			put(l, 0, count("d", 10)...)
			j = start(t, l, byKey(w), stream.MaxInFlight(16))
			elapse(time.Minute)
			same(t, "d", w.doneOf("d"), count("d", 10))
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", 40))
			must(t, j.stop())
			j.committed(51)
		})
	})
	t.Run("is told of", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			h := j.halt()
			says(t, errors.New(h.String()), fmt.Sprintf("its records from offset %d on are read again then", h.AsideFrom))
			s := j.Snapshot().Partitions[0]
			if s.SetAside != 1 || s.SetAsideFrom != h.AsideFrom || s.FinishedAhead != n-1 {
				t.Errorf("snapshot: %+v", s)
			}
			j.explains(stream.CausePark, nil, fmt.Sprintf("1 lane is set aside, the first from offset %d on", h.AsideFrom), fmt.Sprintf("%d finished above it", n-1))
		})
	})
	t.Run("is finished before an exhausted source ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			l.Finish()
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError(stream.ResumeAfter(time.Minute))), few)
			elapse(time.Hour)
			must(t, j.wait())
			same(t, "b", w.doneOf("b"), count("b", n))
			j.committed(2 * n)
		})
	})
}
