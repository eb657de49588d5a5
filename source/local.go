package source

import (
	"context"
	"math"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// localSource is a source of one partition, with values from this process.
type localSource[T any] struct {
	name string
	pull puller[T]
	buf  [chunkMax]T   // filled by a pull, which alone knows how many values there are
	wake chan struct{} // buffer of 1; never closed
}

// puller fills buf with at least one value, and with as many more as it has without waiting. It
// returns their number; more is false at the end.
type puller[T any] func(ctx context.Context, buf []T) (n int, more bool, err error)

// local returns a chain whose every run gets its own puller from open.
func local[T any](name string, open func() puller[T]) stream.Stream[T] {
	return stream.From(func() stream.Source[T] {
		return &localSource[T]{name: name, pull: open(), wake: make(chan struct{}, 1)}
	})
}

func (s *localSource[T]) Info() stream.SourceInfo {
	// values are never redelivered, so all finished ones must be remembered
	info := stream.SourceInfo{Name: s.name, StateBytes: math.MaxInt32}
	if s.pull == nil {
		info.Faults = append(info.Faults, &stream.BuildError{Code: "LW142", Step: "source." + s.name, What: "its argument is nil", Fix: "pass a value: without one the source yields nothing and never ends"})
	}
	return info
}

// Commit stores nothing, since no later run could use the offset.
func (s *localSource[T]) Commit(context.Context, map[stream.TopicPartition]stream.Position) error {
	return nil
}

// chunkMax is the largest number of values fed at a time.
const chunkMax = 256

func (s *localSource[T]) Run(ctx context.Context, in *stream.Intake[T]) error {
	tp := stream.TopicPartition{Topic: s.name}
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: tp, Committed: -1, Wake: func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	p := ps[0]
	for ctx.Err() == nil {
		room, _ := p.Room()
		if room == 0 {
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		more, err := s.feed(ctx, p, min(room, chunkMax))
		if err != nil && ctx.Err() == nil {
			return err
		}
		if !more {
			break
		}
	}
	return nil
}

// feed feeds the values of one pull.
func (s *localSource[T]) feed(ctx context.Context, p *stream.Partition[T], n int) (more bool, err error) {
	n, more, err = s.pull(ctx, s.buf[:n])
	if from := p.Next(); n > 0 {
		p.Feed(append(p.Buffer(n), s.buf[:n]...), &numbered{topic: s.name, from: from, at: time.Now()}, from+int64(n), 0)
	}
	clear(s.buf[:n])
	return more, err
}

// numbered is the lineage of values that have only an offset.
type numbered struct {
	topic string
	from  int64
	at    time.Time
}

func (n *numbered) Meta(i int) stream.Meta {
	return stream.Meta{Topic: n.topic, Offset: n.from + int64(i), Time: n.at}
}
func (n *numbered) Key(int) []byte     { return nil }
func (n *numbered) Offset(i int) int64 { return n.from + int64(i) }
