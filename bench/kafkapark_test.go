package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// The first bytes of a value say what its record is for; a later one has the time, in Unix
// nanoseconds, at which it was to be sent.
const (
	ofBacklog = iota // costs nothing
	ofThroughput
)

// fails is a way in which one key of 1,000 fails, for as long as the benchmark takes.
type fails struct {
	name   string
	policy func(chain) chain
}

var failing1000th = []fails{
	{"a parked key", func(s chain) chain { return s.ParkOnError() }},
	{"a key in unlimited retry", func(s chain) chain { return s.RetryOnError(stream.RetryPolicy{Unlimited: true}) }},
}

// BenchmarkGoalKafkaPark: one key of 1,000 fails behind a backlog of 400,000 records. It measures
// the others, by key, 64 at a time, 1 ms each: the throughput of 100,000 that are there, and the
// latency of 15,000 that arrive at 5,000/s, from the time at which each was to be sent.
//
//	go test -run - -bench GoalKafkaPark -benchtime 1x -timeout 0 ./bench
func BenchmarkGoalKafkaPark(b *testing.B) {
	k := broker(b)
	took, late := make([][]float64, len(failing1000th)), make([][]float64, len(failing1000th))
	for range *kafkaRounds {
		allTook, allLate := besideOnKafka(b, k, nil)
		for i, way := range failing1000th {
			t, l := besideOnKafka(b, k, way.policy)
			took[i], late[i] = append(took[i], allTook/t), append(late[i], l/allLate)
		}
	}
	for i, way := range failing1000th {
		goalAtLeast(b, "throughput beside "+way.name, median(took[i]), 0.95, "×")
		goal(b, "p99 beside "+way.name, median(late[i]), 1.2, "×")
	}
}

// besideOnKafka returns the seconds that the records for throughput took, and the latency that one
// in a hundred of the later ones exceeds. No key fails without a policy.
func besideOnKafka(b *testing.B, k *kafkatest.Kafka, policy func(chain) chain) (took, p99 float64) {
	const backlog, there, arriving, rate = 400_000, 100_000, 15_000, 5_000
	keys := testbed.Even()
	bad := testbed.Keys[0]
	topic := k.Topic(testbed.Partitions)
	record := func(i int, what int64) *kgo.Record {
		r := keys.Record(i, binary.BigEndian.AppendUint64(make([]byte, 0, 200), uint64(what))[:200])
		r.Topic = topic
		return r
	}
	want := [2]int{} // records of the two measured kinds that are not of the bad key
	var fill []*kgo.Record
	for i := range backlog + there + arriving {
		what := int64(ofBacklog)
		if i >= backlog {
			what = ofThroughput
		}
		if kind := max(0, i-backlog) / there; i >= backlog && (policy == nil || keys.At(i) != 0) {
			want[min(kind, 1)]++
		}
		if i < backlog+there {
			fill = append(fill, record(i, what))
		}
	}
	k.Produce(topic, fill...)

	var mu sync.Mutex // guards the variables below
	var began time.Time
	var late []float64
	done := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	left := want
	handle := func(_ context.Context, m message) error {
		what := int64(binary.BigEndian.Uint64(m.Value))
		switch {
		case policy != nil && bytes.Equal(m.Key, bad):
			return errSometimes
		case what == ofBacklog:
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
		kind := 0
		if what != ofThroughput {
			kind = 1
			late = append(late, time.Since(time.Unix(0, what)).Seconds())
		}
		if left[kind]--; left[kind] == 0 {
			if kind == 0 {
				took = time.Since(began).Seconds()
			}
			close(done[kind])
		}
		return nil
	}
	s := keyed(fromKafka(k.Brokers, kafkatest.Name("bench"), topic), 64, handle)
	if policy != nil {
		s = policy(s)
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg conc.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		defer close(ended)
		if err := atLeastOnce(s).Run(ctx, stream.Observe()); err != nil && policy == nil { // what is parked is unfinished
			b.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	handled := func(kind int) {
		select {
		case <-done[kind]:
		case <-ended:
			b.Fatal("the worker ended before it had handled all")
		}
	}
	handled(0)

	start := time.Now()
	for i := range arriving {
		due := start.Add(time.Duration(i) * time.Second / rate)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		k.Client.Produce(b.Context(), record(backlog+there+i, due.UnixNano()), func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	handled(1)
	slices.Sort(late)
	return took, late[len(late)*99/100]
}
