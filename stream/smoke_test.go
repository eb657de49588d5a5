package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestSmoke(t *testing.T) {
	var vals []int
	for i := range 10000 {
		vals = append(vals, i)
	}
	var n, sum, fails atomic.Int64
	s := source.Slice(vals...).
		Map(func(_ context.Context, v int) (string, error) { return fmt.Sprint(v % 100), nil }).
		GroupBy(func(s string) string { return s }).
		MapConcurrent(64, func(_ context.Context, s string) (int, error) {
			if n.Add(1)%100 == 0 {
				fails.Add(1)
				return 0, errors.New("x")
			}
			return 1, nil
		}).RetryOnError(stream.RetryPolicy{MaxAttempts: 10, Backoff: func(int) time.Duration { return time.Millisecond }}).
		Batch(10, time.Millisecond).
		Concurrent(4, func(_ context.Context, b []int) error { sum.Add(int64(len(b))); return nil }).
		CommitEvery(100, time.Second)
	p, err := s.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.Describe())
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(n.Load(), sum.Load(), fails.Load())
	if sum.Load() != 10000 {
		t.Fatal("lost")
	}
}
