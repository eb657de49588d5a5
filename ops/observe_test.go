package ops_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// orders begins the chains that are observed here.
var orders = stream.From[kafka.Message](nil)

var errDown = errors.New("down")

// failing fails on values so many times each; -1: always.
func failing(left map[string]int) func(context.Context, kafka.Message) error {
	var mu sync.Mutex // guards left
	return func(_ context.Context, m kafka.Message) error {
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if n := left[string(m.Value)]; n != 0 {
			left[string(m.Value)] = n - 1
			return fmt.Errorf("charging %s: %w", m.Value, errDown)
		}
		return nil
	}
}

func retries(n int) stream.RetryPolicy {
	return stream.RetryPolicy{MaxAttempts: n, Backoff: func(int) time.Duration { return time.Minute }}
}

func put(l *streamtest.Log[kafka.Message], partition int, values ...string) {
	for _, v := range values {
		l.Append(partition, "key-"+v, kafka.Message{Value: []byte(v)})
	}
}

// observed runs a chain in virtual time until f returns, then drains it.
func observed[T any](t *testing.T, s stream.Stream[T], opts []stream.Option, f func(p *stream.Pipeline)) {
	t.Helper()
	p, err := s.Build(opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	synctest.Wait()
	f(p)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestObserversThatCannotWorkAreRefusedByBuild(t *testing.T) {
	for name, o := range unusables() {
		t.Run(name, func(t *testing.T) {
			if _, err := orders.Build(streamtest.Kafka("orders", 1).Source(), stream.Observe(o)); err == nil {
				t.Error("it was built")
			}
		})
	}
}
