package bench

import (
	"context"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// sleepers returns the least time of n elements that take d each, k at a time: k goroutines sleep n
// times in total.
func sleepers(n, k int, d time.Duration) time.Duration {
	var wg conc.WaitGroup
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	start := time.Now()
	for range k {
		wg.Go(func() {
			for range todo {
				time.Sleep(d)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// sleeping returns a handler that takes d.
func sleeping(d time.Duration) func(context.Context, message) error {
	return func(context.Context, message) error {
		time.Sleep(d)
		return nil
	}
}

// BenchmarkFloor runs 20,000 elements of 1 ms, with 1,000 keys, 64 at a time. x is the time
// relative to 64 goroutines that sleep as often.
func BenchmarkFloor(b *testing.B) {
	var floor, took time.Duration
	for range b.N {
		floor += sleepers(20000, 64, time.Millisecond)
		start := time.Now()
		run(b, keyed(messages(20000), 64, sleeping(time.Millisecond)))
		took += time.Since(start)
	}
	b.ReportMetric(float64(took)/float64(floor), "x")
}

// BenchmarkRetryParked runs 20,000 elements of 1 ms, 64 at a time; 5 % fail once and wait 20 ms. x
// is the time relative to the same without failures.
func BenchmarkRetryParked(b *testing.B) {
	work := func(fail bool) time.Duration {
		failed := make([]bool, 20000)
		start := time.Now()
		run(b, messages(20000).Concurrent(64, func(_ context.Context, m message) error {
			time.Sleep(time.Millisecond)
			if fail && m.Offset%20 == 0 && !failed[m.Offset] {
				failed[m.Offset] = true
				return errSometimes
			}
			return nil
		}).RetryOnError(stream.RetryPolicy{Wait: func(stream.Failure) time.Duration { return 20 * time.Millisecond }}))
		return time.Since(start)
	}
	var without, with time.Duration
	for range b.N {
		without += work(false)
		with += work(true)
	}
	b.ReportMetric(float64(with)/float64(without), "x")
}
