package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// records is the size of W1. It is large so that the fixed costs of joining and leaving weigh
// little.
var records = flag.Int("records", 2_000_000, "records of BenchmarkGoalKafkaW1")

// recordsW2 is the size of W2.
const recordsW2 = 20_000

// kafkaRounds is the number of interleaved rounds.
var kafkaRounds = flag.Int("kafka-rounds", 5, "interleaved rounds of the benchmarks on a broker; medians count")

// turns measures every rival once per round, with another one first in each round.
func turns(b *testing.B, k *kafkatest.Kafka, topic string, n int, rs []rival) [][]figures {
	all := make([][]figures, len(rs))
	for round := range *kafkaRounds {
		for i := range rs {
			i := (i + round) % len(rs)
			all[i] = append(all[i], rs[i].measure(b, k, topic, n, 0))
		}
	}
	return all
}

// ratio is the median over the rounds of one rival's figure divided by another's.
func ratio(of, to []figures, what func(figures) float64) float64 {
	rs := make([]float64, len(of))
	for i := range of {
		rs[i] = what(of[i]) / what(to[i])
	}
	return median(rs)
}

func wall(f figures) float64 { return f.Wall.Seconds() }
func used(f figures) float64 { return f.CPU.Seconds() }
func held(f figures) float64 { return f.PeakMiB }

// BenchmarkGoalKafkaW1: records of 200 B over 8 partitions, a handler that does nothing, from the
// start of the client to committed offsets. The baseline is the fastest known franz-go loop,
// [testbed.Franz]. Every client has a process of its own.
//
//	go test -run - -bench GoalKafkaW1 -benchtime 1x -timeout 0 ./bench
func BenchmarkGoalKafkaW1(b *testing.B) {
	k := broker(b)
	topic := filled(k, *records, 200)
	all := turns(b, k, topic, *records, rivals)
	var line []string // one line, since a benchmark may log ten
	for i, r := range rivals {
		line = append(line, fmt.Sprintf("%s %.2f M/s (%.2f ×), %.0f ns CPU each, %.0f MiB", r.name, float64(*records)/each(all[i], wall)/1e6,
			ratio(all[0], all[i], wall), each(all[i], used)*1e9/float64(*records), each(all[i], held)))
	}
	b.Log(strings.Join(line, "; "))
	goalAtLeast(b, "W1, speed over franz-go", ratio(all[0], all[1], wall), 1.3, "×")
	goal(b, "W1, processor time over franz-go", ratio(all[1], all[0], used), 0.9, "×")
	goalAtLeast(b, "W1 by key, speed over franz-go by partition", ratio(all[0], all[2], wall), 1, "×")
	goal(b, "W1 by key, processor time over franz-go by partition", ratio(all[2], all[0], used), 1.2, "×")
	goal(b, "W1, peak memory", each(all[1], held), 48, "MiB")
}

// BenchmarkGoalKafkaW2: 20,000 records whose handler takes 1 ms, 1,000 keys, 64 at a time, to
// committed offsets.
func BenchmarkGoalKafkaW2(b *testing.B) {
	k := broker(b)
	topic := filled(k, recordsW2, 200)
	var floors, took []float64
	for range *kafkaRounds {
		floors = append(floors, sleepers(recordsW2, 64, time.Millisecond).Seconds())
		took = append(took, oursKeyed.measure(b, k, topic, recordsW2, time.Millisecond).Wall.Seconds())
	}
	goal(b, "W2", median(took), 0.4, "s")
	b.ReportMetric(median(took)/median(floors), "x-floor")
}

// each is the median of a figure over the rounds.
func each(fs []figures, what func(figures) float64) float64 {
	vs := make([]float64, len(fs))
	for i, f := range fs {
		vs[i] = what(f)
	}
	return median(vs)
}

func median(vs []float64) float64 {
	return slices.Sorted(slices.Values(vs))[len(vs)/2]
}

// BenchmarkGoalKafkaMemory: peak memory above that at the start, less the byte budget of 64 MiB,
// while every handler is stuck and 1 GiB waits in Kafka.
func BenchmarkGoalKafkaMemory(b *testing.B) {
	k := broker(b)
	topic := filled(k, 1<<18, 4096)
	over := math.Inf(-1)
	for range *kafkaRounds {
		debug.FreeOSMemory()
		before := resident(b)
		ctx, stop := context.WithCancel(context.Background())
		most := make(chan float64)
		var wg conc.WaitGroup
		wg.Go(func() {
			peak := 0.0
			for range 30 {
				peak = max(peak, resident(b)-before)
				time.Sleep(100 * time.Millisecond)
			}
			stop()
			most <- peak
		})
		wg.Go(func() {
			err := atLeastOnce(keyed(fromKafka(k.Brokers, kafkatest.Name("bench"), topic), 64,
				func(ctx context.Context, _ message) error { <-ctx.Done(); return ctx.Err() })).Run(ctx, stream.DrainTimeout(0))
			if !errors.Is(err, stream.ErrDrain) {
				b.Error(err)
			}
		})
		over = max(over, <-most-64)
		wg.Wait()
	}
	goal(b, "memory over the byte budget, every handler stuck", over, 16, "MiB")
}

// resident is the memory of this process in MiB, garbage that was not collected yet included.
func resident(b *testing.B) float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("needs /proc")
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
