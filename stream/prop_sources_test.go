package stream_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// topics is the log of each source of a chain. Partitions are numbered over all sources: the source
// of partition p is p modulo their number, and its log leaves the others empty.
type topics[T any] []*streamtest.Log[T]

func newTopics[T any](sources, partitions int, locate func(*T, stream.Meta)) (ts topics[T]) {
	for range sources {
		ts = append(ts, streamtest.NewLog("t", partitions, locate))
	}
	return ts
}

func (ts topics[T]) of(p int) *streamtest.Log[T] { return ts[p%len(ts)] }

func (ts topics[T]) Append(p int, key string, it T) { ts.of(p).Append(p, key, it) }
func (ts topics[T]) AppendGap(p int, n int64)       { ts.of(p).AppendGap(p, n) }
func (ts topics[T]) End(p int) int64                { return ts.of(p).End(p) }
func (ts topics[T]) Committed(p int) int64          { return ts.of(p).Committed(p) }
func (ts topics[T]) State(p int) string             { return ts.of(p).State(p) }
func (ts topics[T]) SetState(p int, state string)   { ts.of(p).SetState(p, state) }
func (ts topics[T]) ID() stream.TopicID             { return ts[0].ID() } // of all

func (ts topics[T]) Finish() {
	for _, l := range ts {
		l.Finish()
	}
}

func (ts topics[T]) Member() (ms members[T]) {
	for _, l := range ts {
		ms = append(ms, l.Member())
	}
	return ms
}

// members is one process: a member of the group of each source.
type members[T any] []*streamtest.Member[T]

// options makes them the sources of the chain.
func (ms members[T]) options(opts ...stream.Option) []stream.Option {
	if len(ms) == 1 {
		return append(opts, ms[0].Source())
	}
	for i, m := range ms {
		opts = append(opts, m.SourceOf(sourceName(i)))
	}
	return opts
}

func sourceName(i int) string { return fmt.Sprint("s", i) }

// each calls f for the members that have some of the partitions, all at once.
func (ms members[T]) each(parts []int, f func(m *streamtest.Member[T], parts []int) error) error {
	var wg conc.WaitGroup
	errs := make([]error, len(ms))
	for i, m := range ms {
		var mine []int
		for _, p := range parts {
			if p%len(ms) == i {
				mine = append(mine, p)
			}
		}
		if len(mine) > 0 {
			wg.Go(func() { errs[i] = f(m, mine) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (ms members[T]) Assign(parts ...int) error {
	return ms.each(parts, func(m *streamtest.Member[T], parts []int) error { return m.Assign(parts...) })
}

func (ms members[T]) Revoke(within time.Duration, parts ...int) error {
	return ms.each(parts, func(m *streamtest.Member[T], parts []int) error { return m.Revoke(within, parts...) })
}

func (ms members[T]) Lose(parts ...int) error {
	return ms.each(parts, func(m *streamtest.Member[T], parts []int) error { return m.Lose(parts...) })
}

func (ms members[T]) Halt(p int, offset, next int64, err error) error {
	return ms[p%len(ms)].Halt(p, offset, next, err)
}

func (ms members[T]) Crash() {
	for _, m := range ms {
		m.Crash()
	}
}

func (ms members[T]) FailCommits(f func(map[stream.TopicPartition]int64) error) {
	for _, m := range ms {
		m.FailCommits(f)
	}
}

// propSources begins a chain with sources that are always replaced. Those but the first have words
// of their own: one in the worker below the Merge, or one in its own.
func propSources(n int, apart bool) stream.Stream[item] {
	from := func() stream.Stream[item] { return stream.From(func() stream.Source[item] { return nil }) }
	if n == 1 {
		return from()
	}
	same := func(_ context.Context, it item) (item, error) { return it, nil }
	chains := []stream.Stream[item]{from().As(sourceName(0))}
	for i := range n - 1 {
		s := from().As(sourceName(i + 1))
		if apart {
			s = s.MapSerial(same)
		} else {
			s = s.Map(same)
		}
		chains = append(chains, s)
	}
	return stream.Merge(chains...)
}
