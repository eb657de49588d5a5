package bench

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/bench/internal/testbed"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

var keys = testbed.Keys

// feed is a source that makes n messages as fast as there is room for them, as a broker's client would: fresh chunks of 256.
type feed struct {
	n       int
	wake    chan struct{}
	headers []kafka.Header // of each message
}

func messages(n int) stream.Stream[kafka.Message] {
	return stream.From(func() stream.Source[kafka.Message] { return &feed{n: n, wake: make(chan struct{}, 1)} })
}

func (f *feed) Info() stream.SourceInfo { return stream.SourceInfo{Name: "feed"} }

func (f *feed) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }

func (f *feed) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "orders"}, Committed: -1, Wake: func() {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	p, x, now := ps[0], uint64(88172645463325252), time.Now()
	for off := 0; off < f.n; {
		room, _ := p.Room()
		if room == 0 {
			<-f.wake
			continue
		}
		n := min(room, 256, f.n-off)
		c := p.Buffer(n)[:n]
		for i := range c {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			c[i] = kafka.Message{Topic: "orders", Offset: int64(off + i), Key: keys[x%1000], Value: keys[0], Time: now, Headers: f.headers}
		}
		off += len(c)
		p.Feed(c, source.Lineage(c), int64(off), int64(len(c))*8)
	}
	return nil
}
