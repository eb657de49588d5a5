// Package opstest is shared by the tests of observers: a chain to observe, handlers that fail on
// demand, and a run in virtual time.
package opstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// Orders starts the observed chains.
var Orders = stream.From[kafka.Message](nil)

// ErrDown is the error of Failing.
var ErrDown = errors.New("down")

// Failing returns a handler that takes a second and fails left[value] times; -1 is always.
func Failing(left map[string]int) func(context.Context, kafka.Message) error {
	var mu sync.Mutex // guards left
	return func(_ context.Context, m kafka.Message) error {
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if n := left[string(m.Value)]; n != 0 {
			left[string(m.Value)] = n - 1
			return fmt.Errorf("charging %s: %w", m.Value, ErrDown)
		}
		return nil
	}
}

// Keep is a step that changes nothing.
func Keep(_ context.Context, m kafka.Message) (kafka.Message, error) { return m, nil }

// Retries is a policy of n attempts, a minute apart.
func Retries(n int) stream.RetryPolicy {
	return stream.RetryPolicy{MaxAttempts: n, Wait: func(stream.Failure) time.Duration { return time.Minute }}
}

// Put appends a record per value, with the value as its key.
func Put(l *streamtest.Log[kafka.Message], partition int, values ...string) {
	for _, v := range values {
		l.Append(partition, "key-"+v, kafka.Message{Value: []byte(v)})
	}
}

// Run runs a chain in virtual time until f returns, then drains it.
func Run[T any](t *testing.T, s stream.Stream[T], opts []stream.Option, f func(p *stream.Pipeline)) {
	t.Helper()
	p, err := s.Build(opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg conc.WaitGroup
	wg.Go(func() { err = p.Run(ctx) })
	synctest.Wait()
	f(p)
	stop()
	wg.Wait()
	if err != nil {
		t.Errorf("Run: %v", err)
	}
}

// Pass advances virtual time and waits until all goroutines block again.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Refuses checks that Build refuses an observer.
func Refuses(t *testing.T, o stream.Observer) {
	t.Helper()
	if _, err := Orders.Build(streamtest.Kafka("orders", 1).Source(), stream.Observe(o)); err == nil {
		t.Error("Build accepted the observer")
	}
}

// Asks calls a pipeline in every way open to an observer.
func Asks(p *stream.Pipeline) {
	p.Snapshot()
	p.Halts()
	_ = p.Ready()
	_ = p.Live()
}
