package conformance

import (
	"context"
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// tested is the name of the source under test in a Merge.
const tested = "tested"

// merged returns a backend whose sources are each merged with a neighbour. The neighbour's records
// go through the chain's workers and commits, but not to the handler under test.
func (b Backend) merged() Backend {
	open := b.Open
	b.Open = func(t *testing.T, partitions int) Log { return besides{open(t, partitions)} }
	return b
}

type besides struct{ Log }

func (l besides) Member() Member { return beside{l.Log.Member()} }

// beside is a member whose source is merged with a neighbour.
type beside struct{ Member }

func (m beside) Source(string) (messages, []stream.Option) {
	src, opts := m.Member.Source(tested)
	other := stream.From(func() stream.Source[kafka.Message] { return &neighbour{wake: make(chan struct{}, 1)} })
	return stream.Merge(src.As(tested), other.As(neighbourName).Filter(func(kafka.Message) bool { return false })), opts
}

const neighbourName = "neighbour"

// neighbour is a source with many records in one partition.
type neighbour struct{ wake chan struct{} }

func (*neighbour) Info() stream.SourceInfo {
	return stream.SourceInfo{Name: neighbourName, StateBytes: 4096}
}

func (n *neighbour) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: neighbourName}, Committed: -1, Wake: func() {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	p := ps[0]
	defer in.Revoke(context.WithoutCancel(ctx), p)
	for p.Next() < 1000 {
		if room, _ := p.Room(); room == 0 {
			select {
			case <-n.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		next := p.Next()
		p.Feed(make([]kafka.Message, 1), from(next), next+1, 1)
	}
	<-ctx.Done()
	return nil
}

// Commit fails for partitions of the source under test.
func (*neighbour) Commit(_ context.Context, positions map[stream.TopicPartition]stream.Position) error {
	for tp := range positions {
		if tp.Topic != neighbourName {
			return stream.Permanent(fmt.Errorf("%v is committed through the neighbour", tp))
		}
	}
	return nil
}

// from is the lineage of one record of a neighbour, at an offset.
type from int64

func (o from) Meta(int) stream.Meta { return stream.Meta{Topic: neighbourName, Offset: int64(o)} }
func (o from) Key(int) []byte       { return fmt.Append(nil, o%10) }
func (o from) Offset(int) int64     { return int64(o) }
