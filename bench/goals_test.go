package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// Each performance goal has a benchmark here, or in kafka_test.go if it needs a broker. A benchmark
// measures its baseline in the same run, in turn, and prints the result beside the goal. The metric
// of-goal is above 1 if the goal is missed.
//
//	go test -run - -bench Goal -benchtime 1x -timeout 0 ./bench

// goal reports a figure that must not exceed most.
func goal(b *testing.B, what string, found, most float64, unit string) {
	b.Helper()
	tell(b, what, fmt.Sprintf("%.2f %s, at most %g", found, unit, most), found, found/most)
}

// goalAtLeast reports a figure that must reach least.
func goalAtLeast(b *testing.B, what string, found, least float64, unit string) {
	b.Helper()
	tell(b, what, fmt.Sprintf("%.2f %s, at least %g", found, unit, least), found, least/found)
}

func tell(b *testing.B, what, text string, found, ofGoal float64) {
	b.Helper()
	word := "reached"
	if ofGoal > 1 {
		word = "MISSED"
	}
	b.Logf("%-8s %s: %s", word, what, text)
	name := strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(what)
	b.ReportMetric(found, name)
	b.ReportMetric(ofGoal, name+"-of-goal")
	b.ReportMetric(0, "ns/op")
}

// alone limits the benchmark to one processor.
func alone(b *testing.B) {
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// eachNs runs funcs of n elements in turn on one processor and returns the processor time per
// element of each, in ns.
func eachNs(b *testing.B, n int, fs ...func()) (ns []float64) {
	alone(b)
	for _, c := range least(*rounds, fs...) {
		_, cpu := c.per(n)
		ns = append(ns, cpu)
	}
	return ns
}

// BenchmarkGoalKeyed: GroupByKey, 64 at a time, 1,000 keys, a handler that does nothing.
func BenchmarkGoalKeyed(b *testing.B) {
	n := *elements
	work := func(n int) { run(b, keyed(messages(n), 64, noop)) }
	ns := eachNs(b, n, func() { work(n) }, func() { direct(n) })
	goal(b, "keyed", ns[0], 150, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-direct")
	once, bytes := allocated(func() { work(n) })
	twice, more := allocated(func() { work(2 * n) })
	goal(b, "keyed allocations", (twice-once)/float64(n), 0.05, "an element")
	b.ReportMetric((more-bytes)/float64(n), "B/elem")
}

// allocated returns the number and the bytes of allocations of f.
func allocated(f func()) (objects, bytes float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
}

// BenchmarkGoalFork: a branch that does nothing, in the worker of its fork, and one that gets
// nothing, beside the same chain without. A branch with lanes of its own is told for comparison.
func BenchmarkGoalFork(b *testing.B) {
	n := *elements
	with := func(fork func(chain) chain) func() {
		return func() { run(b, atLeastOnce(keyed(fork(messages(n)), 64, noop))) }
	}
	forks := []func(chain) chain{
		func(s chain) chain { return s },
		func(s chain) chain { return s.AlsoTo(aside) },
		func(s chain) chain { return s.DivertTo(never, aside) },
		func(s chain) chain { return s.DivertTo(never, inLanes) },
		func(s chain) chain { return s.AlsoTo(func(s chain) chain { return s.GroupByKey().Via(inLanes) }) },
	}
	var fs []func()
	for _, f := range forks {
		fs = append(fs, with(f))
	}
	ns := eachNs(b, n, fs...)
	goal(b, "AlsoTo", ns[1]-ns[0], 60, "ns")
	goal(b, "DivertTo", ns[2]-ns[0], 60, "ns")
	goal(b, "DivertTo a branch with lanes", ns[3]-ns[0], 60, "ns")
	b.ReportMetric(ns[1]/ns[0], "x-AlsoTo")
	b.ReportMetric(ns[2]/ns[0], "x-DivertTo")
	b.ReportMetric(ns[4]/ns[0], "x-AlsoTo-with-lanes")
	var objects []float64
	for _, f := range fs[:3] {
		made, _ := allocated(f)
		objects = append(objects, made/float64(n))
	}
	goal(b, "AlsoTo allocations", objects[1]-objects[0], 0.01, "an element")
	goal(b, "DivertTo allocations", objects[2]-objects[0], 0.01, "an element")
}

// BenchmarkGoalMerge: two sources of one partition each, beside one source of two partitions. Both
// have 500 keys in a partition.
func BenchmarkGoalMerge(b *testing.B) {
	n := *elements
	half := func(name string) chain {
		f := newFeed(n / 2)
		f.keys = keysOf(500)
		return f.stream().As(name)
	}
	whole := newFeed(n)
	whole.partitions = 2
	merged := func() { run(b, atLeastOnce(keyed(stream.Merge(half("a"), half("b")), 64, noop))) }
	alike := func() { run(b, atLeastOnce(keyed(whole.stream(), 64, noop))) }
	ns := eachNs(b, n, merged, alike)
	goal(b, "Merge", ns[0]-ns[1], 60, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-one-source")
	made, _ := allocated(merged)
	before, _ := allocated(alike)
	goal(b, "Merge allocations", (made-before)/float64(n), 0.01, "an element")
}

// BenchmarkGoalHop: source → end, one boundary and no step.
func BenchmarkGoalHop(b *testing.B) {
	n := *elements
	ns := eachNs(b, n, func() { run(b, messages(n).GroupByPartition()) }, func() { direct(n) })
	goal(b, "hop", ns[0], 60, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-direct")
}

// BenchmarkGoalFused: Map → Map → Filter, over direct calls of the same functions on reused memory.
func BenchmarkGoalFused(b *testing.B) {
	n := *elements
	var sum int64
	ns := eachNs(b, n, func() {
		run(b, messages(n).Map(steps[0]).Map(steps[1]).Filter(func(m kafka.Message) bool { sum += m.Offset; return true }))
	}, func() { direct(n) })
	b.Logf("fused %.0f ns, direct %.0f ns", ns[0], ns[1])
	goal(b, "fused over direct", ns[0]-ns[1], 60, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-direct")
}

// BenchmarkGoalSecondStage: a second Concurrent in the same grouping, over the first alone.
func BenchmarkGoalSecondStage(b *testing.B) {
	n := *elements
	ns := eachNs(b, n,
		func() { run(b, keyed(messages(n), 64, noop).Concurrent(64, noop)) },
		func() { run(b, keyed(messages(n), 64, noop)) })
	goal(b, "second stage", ns[0]-ns[1], 120, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-one-stage")
}

// BenchmarkGoalCommitWith: transactions of 1,000 into a transactor that does nothing, over
// CommitEvery.
func BenchmarkGoalCommitWith(b *testing.B) {
	n := *elements
	exactly := func(flight int) func() {
		return func() { run(b, exactlyOnce(keyed(messages(n), 64, noop), 1000), inFlight(flight)) }
	}
	ns := eachNs(b, n, exactly(4096), func() { run(b, atLeastOnce(keyed(messages(n), 64, noop))) }, exactly(65_536))
	goal(b, "CommitWith over CommitEvery", ns[0]-ns[1], 300, "ns")
	b.ReportMetric(ns[0]/ns[1], "x-CommitEvery")
	goal(b, "CommitWith, 64 k over 4 k in flight", ns[2]/ns[0], limit, "×")
}

// BenchmarkGoalState: what a resume state costs, over the same chain without one.
func BenchmarkGoalState(b *testing.B) {
	n := *elements
	for _, w := range []struct {
		name string
		most float64
		work func(chain) chain
	}{
		{"in order", 1.03, func(s chain) chain { return s.Serial(noop) }},
		{"64 keys at a time", 1.1, func(s chain) chain { return keyed(s, 64, noop) }},
	} {
		ns := eachNs(b, n,
			func() { run(b, atLeastOnce(w.work(messages(n)))) },
			func() { run(b, atLeastOnce(w.work(messages(n))), stream.MaxFinishedAhead(0)) })
		goal(b, "a state, "+w.name, ns[0]/ns[1], w.most, "×")
	}
}

// BenchmarkGoalAtMostOnce: work below CommitBefore.
func BenchmarkGoalAtMostOnce(b *testing.B) {
	n := *elements
	work := func(flight int) func() {
		return func() { run(b, keyed(atMostOnce(messages(n)), 64, noop), inFlight(flight)) }
	}
	ns := eachNs(b, n, work(4096), work(65_536), func() { run(b, keyed(messages(n), 64, noop)) })
	goal(b, "at most once", ns[0], 300, "ns")
	goal(b, "at most once, 64 k in flight", ns[1], 300, "ns")
	goal(b, "at most once, 64 k over 4 k in flight", ns[1]/ns[0], limit, "×")
	b.ReportMetric(ns[0]/ns[2], "x-without-commit")
}

// BenchmarkGoalWords: every word, wall time on all processors, per element.
func BenchmarkGoalWords(b *testing.B) {
	for _, w := range append([]word{{name: "FlatMap of 3", build: ofThree}}, words...) {
		b.Run(w.name, func(b *testing.B) {
			n := enough(pilot(b, w), *elements, 1)
			c := least(*rounds, func() { run(b, w.build(usual.source(n).stream(), usual), inFlight(usual.inFlight)) })[0]
			if w.name == "FlatMap of 3" {
				n *= 3
			}
			wall, cpu := c.per(n)
			goal(b, w.name, wall, 500, "ns")
			b.ReportMetric(cpu, "cpu-ns/elem")
		})
	}
}

func ofThree(s chain, d shape) chain {
	return atLeastOnce(s.GroupByKey().FlatMap(thrice).Concurrent(d.workers, noop))
}

// BenchmarkGoalDrain: the time from the end of the context to the return of Run, with 100,000
// records in flight and 64 handlers of 100 ms at a time. Started records finish, the others are
// left.
func BenchmarkGoalDrain(b *testing.B) {
	const records, slowest = 100_000, 100 * time.Millisecond
	f := newFeed(1 << 40)
	f.keys = keysOf(100_000)
	var done atomic.Int64
	p, err := atLeastOnce(keyed(f.stream(), 64, func(context.Context, message) error {
		time.Sleep(slowest)
		done.Add(1)
		return nil
	})).Build(inFlight(records))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var wg conc.WaitGroup
	failed := make(chan error, 1)
	wg.Go(func() { failed <- p.Run(ctx) })
	until(b, func() bool { return flying(p) >= records-1000 })
	before, start := done.Load(), time.Now()
	stop()
	wg.Wait()
	took := time.Since(start)
	if err := <-failed; err != nil && !errors.Is(err, stream.ErrDrain) {
		b.Fatal(err)
	}
	b.ReportMetric(float64(done.Load()-before), "finished-in-it")
	goal(b, "drain", took.Seconds()*1000, 150, "ms")
	b.ReportMetric(float64(took)/float64(slowest), "x-slowest-handler")
}

// flying returns the number of records in flight.
func flying(p *stream.Pipeline) (n int) {
	for _, s := range p.Snapshot().Partitions {
		n += s.InFlight
	}
	return n
}

// until polls until the condition holds.
func until(b *testing.B, so func() bool) {
	for late := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			b.Fatal("the state to measure was not reached within 30 s")
		}
	}
}

// BenchmarkGoalWorkers: 4,096 handlers of 5 ms at a time, over 4,096 goroutines that only sleep.
func BenchmarkGoalWorkers(b *testing.B) {
	const workers, each = 4096, 20
	var floor, took []float64
	for range *rounds {
		floor = append(floor, sleepers(workers*each, workers, 5*time.Millisecond).Seconds())
		f := newFeed(workers * each)
		f.keys = keysOf(100_000)
		start := time.Now()
		run(b, keyed(f.stream(), workers, sleeping(5*time.Millisecond)), inFlight(65_536))
		took = append(took, time.Since(start).Seconds())
	}
	goal(b, "4,096 workers over the floor", smallest(took)/smallest(floor), 1.2, "×")
}

func smallest(vs []float64) float64 {
	m := vs[0]
	for _, v := range vs {
		m = min(m, v)
	}
	return m
}

// BenchmarkGoalSnapshot: Snapshot, and a scrape of the metrics, with 5,000 partitions that have
// records in flight.
func BenchmarkGoalSnapshot(b *testing.B) {
	const partitions = 5000
	f := newFeed(8 * partitions)
	f.partitions = partitions
	registry := prometheus.NewRegistry()
	p, err := atLeastOnce(keyed(f.stream(), 64, func(ctx context.Context, _ message) error {
		<-ctx.Done()
		return ctx.Err()
	})).Build(inFlight(8), measured(registry), stream.DrainTimeout(0))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var wg conc.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	until(b, func() bool { return flying(p) == 8*partitions })
	serve := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	c := least(*rounds, func() { p.Snapshot() }, func() {
		r := httptest.NewRecorder()
		serve.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if n := strings.Count(r.Body.String(), "\n"); r.Code != http.StatusOK || n < partitions {
			b.Fatal(fmt.Errorf("a scrape of %d lines, status %d", n, r.Code))
		}
	})
	goal(b, "Snapshot, 5,000 partitions", c[0].wall.Seconds()*1000, 2, "ms")
	goal(b, "scrape, 5,000 partitions", c[1].wall.Seconds()*1000, 50, "ms")
	stop()
	wg.Wait()
}

func add(n int64) func(context.Context, kafka.Message) (kafka.Message, error) {
	return func(_ context.Context, m kafka.Message) (kafka.Message, error) { m.Offset += n; return m, nil }
}

// steps are called through a variable, so that calling them directly is a call as well.
var steps = []func(context.Context, kafka.Message) (kafka.Message, error){add(1), add(2)}

// direct does the same work without a pipeline: it fills one reused chunk of messages, calls two
// functions on each, and sums the offsets.
func direct(n int) {
	var sum int64
	f, g := steps[0], steps[1]
	ctx := context.Background()
	x, now, keys := uint64(88172645463325252), time.Now(), keysOf(1000)
	c := make([]kafka.Message, 256)
	for off := 0; off < n; off += len(c) {
		c = c[:min(256, n-off)]
		for i := range c {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			c[i] = kafka.Message{Topic: "orders", Offset: int64(off + i), Key: keys.at(int(x % 1000)), Value: payload[:8], Time: now}
		}
		for i := range c {
			m, _ := f(ctx, c[i])
			m, _ = g(ctx, m)
			sum += m.Offset
		}
	}
	if sum == 0 {
		panic("no work was done")
	}
}
