package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// Run prints a chain and runs it until every seeded record is committed, then drains it like Ctrl-C
// does. With -forever it runs until Ctrl-C, and keeps seeding.
func (d *Demo) Run[T any](ctx context.Context, chain stream.Stream[T], opts ...stream.Option) error {
	observers, committed := d.allCommitted()
	if !d.observed {
		opts = append(opts, d.Telemetry())
	}
	p, err := chain.Build(append([]stream.Option{stream.DrainTimeout(time.Second), stream.Observe(append(observers, stream.Observer{Event: d.Hear})...)}, opts...)...)
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	return d.RunUntil(ctx, committed, p.Run)
}

// RunUntil runs a Pipeline or a Supervisor until done is closed; with -forever until ctx ends.
func (d *Demo) RunUntil(ctx context.Context, done <-chan struct{}, run func(context.Context) error) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg conc.WaitGroup
	defer wg.Wait()
	defer stop()
	ended := make(chan error, 1)
	wg.Go(func() { ended <- run(running) })
	if d.Forever {
		wg.Go(func() { d.keepSeeding(running) })
		return <-ended
	}
	select {
	case <-done:
		stop()
		return <-ended
	case err := <-ended:
		if ctx.Err() != nil {
			err = errors.Join(err, fmt.Errorf("stopped before the end: %w", context.Cause(ctx)))
		}
		return err
	}
}

// keepSeeding writes the seeded records again, ten per second.
func (d *Demo) keepSeeding(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; len(d.seeded) > 0; i++ {
		select {
		case <-tick.C:
			if err := d.Write(ctx, d.seeded[i%len(d.seeded):][:1]...); err != nil && ctx.Err() == nil {
				d.Say("%v", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// allCommitted is AllCommitted for all clusters.
func (d *Demo) allCommitted() (observers []stream.Observer, all <-chan struct{}) {
	left := new(atomic.Int64)
	done := make(chan struct{})
	for _, c := range append([]*Demo{d}, d.others...) {
		left.Add(1)
		observers = append(observers, c.whenCommitted(func() {
			if left.Add(-1) == 0 {
				close(done)
			}
		}))
	}
	return observers, done
}

// AllCommitted returns an observer, and a channel that closes once every seeded record is
// committed.
func (d *Demo) AllCommitted() (stream.Observer, <-chan struct{}) {
	done := make(chan struct{})
	return d.whenCommitted(func() { close(done) }), done
}

// whenCommitted returns an observer that calls f, once, when every seeded record is committed.
func (d *Demo) whenCommitted(f func()) stream.Observer {
	through := sync.OnceFunc(f)
	ends := d.ends()
	var mu sync.Mutex // guards committed
	committed := make([]int64, len(ends))
	return stream.Observer{Event: func(e stream.Event) {
		c, ok := e.(stream.Committed)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for tp, offset := range c.Offsets {
			if tp.Topic != d.Topic() {
				continue
			}
			committed[tp.Partition] = max(committed[tp.Partition], offset)
		}
		for n, end := range ends {
			if committed[n] < end {
				return
			}
		}
		through()
	}}
}

// Hear prints the events of a pipeline; use it as an observer's Event.
func (d *Demo) Hear(e stream.Event) { d.screen.hear(e) }

// Pause takes as long as a call over a network would, and ends with ctx.
func Pause(ctx context.Context, long time.Duration) error {
	answer := time.NewTimer(long)
	defer answer.Stop()
	select {
	case <-answer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Place returns a record's position like errors and logs do: orders[3]@41207.
func Place(m kafka.Message) string { return fmt.Sprintf("%s[%d]@%d", m.Topic, m.Partition, m.Offset) }
