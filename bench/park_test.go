package bench

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// BenchmarkGoalPark: one key of 1,000 is parked and -elements records were read since, over none.
// It measures handlers of 1 ms, 64 at a time: their throughput, and the time from a record's
// arrival to the end of its handler at 10,000 records/s. x-noop is the processor time of handlers
// that do nothing.
//
// What is parked stays in memory and in the resume state. A partition stops being read once three
// quarters of that state's room are taken, after about 550,000 records.
func BenchmarkGoalPark(b *testing.B) {
	var took [2][]float64 // beside a parked key, and without
	var late []float64    // ratios of two that were measured one after the other
	for range *rounds {
		var l [2]float64
		for i, key := range [][]byte{parkedKey, nil} {
			t, _ := beside(b, key, 0)
			took[i] = append(took[i], t)
			_, l[i] = beside(b, key, 10_000)
		}
		late = append(late, l[0]/l[1])
	}
	slices.Sort(late)
	goalAtLeast(b, "throughput beside a parked key", smallest(took[1])/smallest(took[0]), 0.95, "×")
	goal(b, "p99 beside a parked key", late[len(late)/2], 1.2, "×")
	ns := eachNs(b, *elements,
		func() { runParked(b, messages(*elements), parkedKey, noop) },
		func() { runParked(b, messages(*elements), nil, noop) })
	b.ReportMetric(ns[0]/ns[1], "x-noop")
}

// beside handles records in 1 ms each, behind a backlog that costs nothing. It returns the seconds
// that they took, and the latency that one of a hundred exceeds.
func beside(b *testing.B, parked []byte, rate int) (took, p99 float64) {
	const records = 3000
	f := newFeed(*elements + records)
	f.backlog, f.rate = *elements, rate
	var mu sync.Mutex // guards the variables below
	var began time.Time
	var late []float64
	runParked(b, f.stream(), parked, func(_ context.Context, m message) error {
		if m.Offset < int64(f.backlog) {
			return nil
		}
		mu.Lock()
		if began.IsZero() {
			began = time.Now()
		}
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		late = append(late, time.Since(m.Time).Seconds())
		return nil
	})
	slices.Sort(late)
	return time.Since(began).Seconds(), late[len(late)*99/100]
}

var parkedKey = keysOf(1).at(0)

// runParked works by key, 64 at a time, and parks the key that fails; nil: none does.
func runParked(b *testing.B, s chain, fails []byte, f func(context.Context, message) error) {
	err := atLeastOnce(keyed(s, 64, func(ctx context.Context, m message) error {
		if bytes.Equal(m.Key, fails) {
			return errSometimes
		}
		return f(ctx, m)
	}).ParkOnError()).Run(b.Context(), stream.Observe())
	if (err != nil) != (fails != nil) { // what is parked is unfinished
		b.Fatal(err)
	}
}
