package bench

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dimension is a property of a chain that grows.
type dimension struct {
	name  string
	steps []int
	set   func(d *shape, n int)
	least func(n int) int // elements that a run needs at least
	parts func(n int) int // divides the cost further, by stage or by word; nil: not
	fused bool            // only for words that have no workers of their own
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

// growthRounds is how often each shape is measured.
var growthRounds = flag.Int("growth-rounds", 3, "how often each shape of BenchmarkGrowth is measured; the least counts")

// limit is the ratio to the lowest cost of a series above which a cost is flagged.
const limit = 1.5

// BenchmarkGrowth grows one dimension of a chain at a time, for every word. It prints the cost per
// element at each step and its ratio to the lowest cost of the series, in wall and processor time.
// Where stages or words are added, the cost is per stage or per word.
//
// The summary has a line per word with the steps above 1.5 times the lowest cost. A step marked >
// lies behind the lowest: the cost grows with the dimension. A step marked < lies before it: a
// fixed cost is shared by too little, such as one hand-over per record with one record in flight.
//
//	go test -run - -bench Growth -benchtime 1x -timeout 0 ./bench
//	go test -run - -bench 'Growth/^KeepOrder$' -benchtime 1x -cpu 1 ./bench
//
// It takes 20 minutes or more. With -cpu 1 the difference of wall and processor time is waiting.
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
	// b.Log cuts off after ten lines.
	fmt.Printf("\nabove %.1f × the lowest cost of the series; > grows with the dimension, < is a fixed cost\n%s\n", limit, strings.Join(summary, "\n"))
}

// measure measures one series. Its steps take turns, so that other load affects all of them alike.
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

// series is the cost of each step of a dimension, in ns.
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

// flags names the worst step above the limit on each side of the lowest cost.
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

// grown is the highest cost from the lowest one on, as a ratio to it.
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
