package source

import (
	"context"
	"math"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// local is a source of one partition whose values come from this process.
type localSource[T any] struct {
	name string
	pull puller[T]
	buf  [chunkMax]T   // what a pull fills: how much comes is known only then
	wake chan struct{} // room for one; never closed
}

// puller fills buf with one value at least, and with as many more as it has without a wait. It
// returns how many; more is false when there are no more behind them.
type puller[T any] func(ctx context.Context, buf []T) (n int, more bool, err error)

// local makes a chain whose every run pulls from a func of its own.
func local[T any](name string, open func() puller[T]) stream.Stream[T] {
	return stream.From(func() stream.Source[T] {
		return &localSource[T]{name: name, pull: open(), wake: make(chan struct{}, 1)}
	})
}

func (s *localSource[T]) Info() stream.SourceInfo {
	// its values come once: none is ever handled again, so that whatever finishes is kept
	info := stream.SourceInfo{Name: s.name, StateBytes: math.MaxInt32}
	if s.pull == nil {
		info.Faults = append(info.Faults, &stream.BuildError{Step: "source." + s.name, What: "it was given nil", Fix: "there would never be a value, and no end"})
	}
	return info
}

// Commit has nowhere to store an offset, and nobody who would ask for it.
func (s *localSource[T]) Commit(context.Context, map[stream.TopicPartition]stream.Position) error {
	return nil
}

// chunkMax is how many values are handed over at a time.
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

// feed hands over what one pull has brought.
func (s *localSource[T]) feed(ctx context.Context, p *stream.Partition[T], n int) (more bool, err error) {
	n, more, err = s.pull(ctx, s.buf[:n])
	if from := p.Next(); n > 0 {
		p.Feed(append(p.Buffer(n), s.buf[:n]...), &numbered{topic: s.name, from: from, at: time.Now()}, from+int64(n), 0)
	}
	clear(s.buf[:n])
	return more, err
}

// numbered is the lineage of values that have none but their place.
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
