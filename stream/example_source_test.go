package stream_test

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/stream"
)

// Countdown is a source of one's own: one partition whose records are the numbers from n down to 1.
type Countdown struct {
	n    int64
	wake chan struct{} // room for one
}

func NewCountdown(n int64) stream.Stream[int64] {
	return stream.From(func() stream.Source[int64] { return &Countdown{n, make(chan struct{}, 1)} })
}

func (c *Countdown) Info() stream.SourceInfo { return stream.SourceInfo{Name: "countdown"} }

// Commit would store the positions; a countdown has nowhere to.
func (c *Countdown) Commit(_ context.Context, positions map[stream.TopicPartition]stream.Position) error {
	for tp, at := range positions {
		fmt.Println("committed", tp, at.Offset)
	}
	return nil
}

// Run feeds while there is room, and returns when that was all. What it leaves assigned, the
// pipeline drains.
func (c *Countdown) Run(ctx context.Context, in *stream.Intake[int64]) error {
	tp := stream.TopicPartition{Topic: "countdown"}
	parts, err := in.Assign(ctx, stream.Assignment{TopicPartition: tp, Next: 0, Committed: -1, Wake: func() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	for p := parts[0]; p.Next() < c.n; {
		if room, _ := p.Room(); room == 0 {
			select {
			case <-c.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		at := p.Next()
		p.Feed([]int64{c.n - at}, number{tp, at}, at+1, 8)
	}
	return nil
}

// number is the lineage of what one Feed hands over.
type number struct {
	tp     stream.TopicPartition
	offset int64
}

func (n number) Meta(int) stream.Meta { return stream.Meta{Topic: n.tp.Topic, Offset: n.offset} }
func (n number) Key(int) []byte       { return nil }
func (n number) Offset(int) int64     { return n.offset }

// Anything that has partitions, offsets in ascending order and a place to keep an offset can be a
// source.
func ExampleSource() {
	err := NewCountdown(3).Serial(show).CommitEvery(3, 0, stream.ByCountOnly()).Run(context.Background(), stream.MaxInFlight(2))
	fmt.Println(err)
	// Output:
	// 3
	// 2
	// 1
	// committed countdown[0] 3
	// <nil>
}
