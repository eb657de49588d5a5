package bench

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dimension is something of a chain that grows.
type dimension struct {
	name  string
	steps []int
	set   func(d *shape, n int)
	least func(n int) int // elements that a run needs to show it
	parts func(n int) int // what the cost is shared by besides the elements; nil: nothing
	fused bool            // only of words that have no worker of their own
}

var dimensions = []dimension{
	{name: "partitions", steps: []int{1, 10, 100, 1000}, set: func(d *shape, n int) { d.partitions = n }, least: func(n int) int { return 512 * n }},
	{name: "keys", steps: []int{1, 100, 10_000, 1_000_000}, set: func(d *shape, n int) { d.keys = n }, least: func(n int) int { return 2 * n }},
	{name: "workers", steps: []int{1, 8, 64, 512, 4096}, set: func(d *shape, n int) { d.workers = n }},
	{name: "in flight", steps: []int{1, 16, 256, 4096, 65_536}, set: func(d *shape, n int) { d.inFlight = n }, least: func(n int) int { return 4 * n }},
	{name: "stages", steps: []int{1, 2, 4, 8}, set: func(d *shape, n int) { d.stages = n }, parts: func(n int) int { return n }},
	{name: "length", steps: []int{1, 4, 16, 64}, set: func(d *shape, n int) { d.length = n }, parts: func(n int) int { return n }, fused: true},
	{name: "record size", steps: []int{10, 100, 1000, 10_000, 100_000}, set: func(d *shape, n int) { d.size = n }},
}

// growth is how often a shape is measured.
var growthRounds = flag.Int("growth-rounds", 3, "how often each shape of BenchmarkGrowth is measured; the least counts")

// limit is how many times its least a cost may reach before it is flagged.
const limit = 1.5

// BenchmarkGrowth has everything about a chain grow, one thing at a time, for every word. It prints the cost per element of each
// step (per stage where stages grow, per word where a chain becomes longer) and what it is of the least of its series, in wall time
// and in processor time; and at the end a line per word that says what exceeds 1.5 times the least. A cost above the least
// behind it grows with its dimension, which is a cliff. One before it is what something small costs, such as a hand-over for each
// record where one may be in flight.
//
//	go test -run - -bench Growth -benchtime 1x -timeout 0 ./bench
//	go test -run - -bench 'Growth/^KeepOrder$' -benchtime 1x -cpu 1 ./bench
//
// It takes about ten minutes. With -cpu 1 wall time and processor time differ by what was waited for.
func BenchmarkGrowth(b *testing.B) {
	var summary []string
	for _, w := range words {
		b.Run(w.name, func(b *testing.B) {
			var flags []string
			var worst [2]float64
			for _, dim := range dimensions {
				if dim.fused && !w.fused {
					continue
				}
				s := dim.measure(b, w)
				b.Log(s)
				flags = append(flags, s.flags()...)
				worst[0] = max(worst[0], grown(s.wall))
				worst[1] = max(worst[1], grown(s.cpu))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(worst[0], "worst-wall-x")
			b.ReportMetric(worst[1], "worst-cpu-x")
			if len(flags) == 0 {
				flags = []string{"flat"}
			}
			summary = append(summary, fmt.Sprintf("%-34s grows %5.2f ×, cpu %5.2f × | %s", w.name, worst[0], worst[1], strings.Join(flags, "; ")))
		})
	}
	// Not by b.Log, which cuts off after ten lines.
	fmt.Printf("\nabove %.1f × the least of its series; > grows, < is what something small costs\n%s\n", limit, strings.Join(summary, "\n"))
}

// measure measures the series of a word, its steps by turns, so that other load falsifies all alike.
func (dim dimension) measure(b *testing.B, w word) series {
	runs, of := make([]func(), len(dim.steps)), make([]int, len(dim.steps))
	for i, n := range dim.steps {
		d, count := usual, *elements
		dim.set(&d, n)
		if dim.least != nil {
			count = max(count, dim.least(n))
		}
		of[i] = count
		if dim.parts != nil {
			of[i] *= dim.parts(n)
		}
		runs[i] = func() { run(b, w.build(d.source(count).stream(), d), inFlight(d.inFlight)) }
	}
	s := series{name: dim.name, steps: dim.steps}
	for i, c := range least(*growthRounds, runs...) {
		wall, cpu := c.per(of[i])
		s.wall, s.cpu = append(s.wall, wall), append(s.cpu, cpu)
	}
	return s
}

// series is what each step of a dimension costs, in ns.
type series struct {
	name      string
	steps     []int
	wall, cpu []float64
}

func (s series) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s", s.name)
	for i, n := range s.steps {
		fmt.Fprintf(&b, " %7d: %6.0f (%.2f ×) cpu %6.0f (%.2f ×)", n, s.wall[i], s.wall[i]/slices.Min(s.wall), s.cpu[i], s.cpu[i]/slices.Min(s.cpu))
	}
	return b.String()
}

// flags says which steps cost more than they may, once in each direction.
func (s series) flags() (flags []string) {
	for _, c := range []struct {
		name string
		ns   []float64
	}{{"wall", s.wall}, {"cpu", s.cpu}} {
		best := slices.Index(c.ns, slices.Min(c.ns))
		for _, side := range []struct {
			sign string
			from int
			to   int
		}{{"<", 0, best}, {">", best + 1, len(c.ns)}} {
			at, worst := -1, limit
			for i := side.from; i < side.to; i++ {
				if x := c.ns[i] / c.ns[best]; x > worst {
					at, worst = i, x
				}
			}
			if at >= 0 {
				flags = append(flags, fmt.Sprintf("%s %s %d: %s %.2f ×", side.sign, s.name, s.steps[at], c.name, worst))
			}
		}
	}
	return flags
}

// grown is the most that a step from the least on costs of it.
func grown(ns []float64) float64 {
	best := slices.Min(ns)
	return slices.Max(ns[slices.Index(ns, best):]) / best
}

func TestGrowthIsFlagged(t *testing.T) {
	s := series{name: "keys", steps: []int{1, 10, 100, 1000}, wall: []float64{300, 100, 149, 190}, cpu: []float64{100, 100, 100, 150}}
	want := []string{"< keys 1: wall 3.00 ×", "> keys 1000: wall 1.90 ×"}
	if got := s.flags(); !slices.Equal(got, want) {
		t.Errorf("flagged %q, not %q", got, want)
	}
	if got := grown(s.wall); got != 1.9 {
		t.Errorf("grown %.2f ×, not 1.90 ×", got)
	}
}
