package bench

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// dimension is a property of a chain that grows.
type dimension struct {
	name  string
	steps []int
	set   func(d *shape, n int)
	least func(n int) int // elements that a run needs at least
	parts func(n int) int // divides the cost further, by stage or by word; nil: it does not
	fused bool            // only for words without workers of their own
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
			ns := pilot(b, w)
			for _, dim := range dimensions {
				if dim.fused && !w.fused {
					continue
				}
				s := dim.measure(b, w, ns)
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

// budget is the maximum time of one run. A run of a slow word has fewer elements.
const budget = 4 * time.Second

// enough returns how many elements fit into the budget if one takes ns: at most want and at least
// need. It returns 0 if even need elements would take far too long.
func enough(ns float64, want, need int) int {
	fit := int(float64(budget) / max(ns, 1))
	switch {
	case fit >= want:
		return want
	case need > 4*fit:
		return 0
	}
	return max(fit, need)
}

// pilot returns the cost per element of a word in a short run, in ns.
func pilot(b *testing.B, w word) float64 {
	const n = 2000
	wall, _ := costs(func() { run(b, w.build(usual.source(n).stream(), usual), inFlight(usual.inFlight)) }).per(n)
	return wall
}

// measure measures one series. Its steps take turns, so that other load affects all of them alike.
// Steps behind one that is far too slow are left out.
func (dim dimension) measure(b *testing.B, w word, ns float64) series {
	s := series{name: dim.name, steps: dim.steps}
	for range dim.steps {
		s.wall, s.cpu = append(s.wall, math.Inf(1)), append(s.cpu, math.Inf(1))
	}
	counts := make([]int, len(dim.steps))
	for round := range *growthRounds {
		for i, n := range dim.steps {
			d, shares := usual, 1
			dim.set(&d, n)
			if dim.parts != nil {
				shares = dim.parts(n)
			}
			if round == 0 {
				need := 1
				if dim.least != nil {
					need = dim.least(n)
				}
				counts[i] = enough(ns, max(*elements, need), need)
			}
			if counts[i] == 0 {
				break
			}
			c := costs(func() { run(b, w.build(d.source(counts[i]).stream(), d), inFlight(d.inFlight)) })
			if ns, _ = c.per(counts[i]); dim.parts != nil {
				ns *= 2 // the next step has more of them
			}
			wall, cpu := c.per(counts[i] * shares)
			s.wall[i], s.cpu[i] = min(s.wall[i], wall), min(s.cpu[i], cpu)
		}
	}
	return s
}

// series holds the cost of each step of a dimension, in ns; infinite if it was too slow to measure.
type series struct {
	name      string
	steps     []int
	wall, cpu []float64
}

func (s series) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s", s.name)
	for i, n := range s.steps {
		if math.IsInf(s.wall[i], 1) {
			fmt.Fprintf(&b, " %7d: too slow", n)
			continue
		}
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

// grown returns the highest cost from the lowest one on, relative to the lowest.
func grown(ns []float64) float64 {
	best := slices.Min(ns)
	return slices.Max(ns[slices.Index(ns, best):]) / best
}

func TestGrowth(t *testing.T) {
	t.Run("is flagged", func(t *testing.T) {
		s := series{name: "keys", steps: []int{1, 10, 100, 1000}, wall: []float64{300, 100, 149, 190}, cpu: []float64{100, 100, 100, 150}}
		want := []string{"< keys 1: wall 3.00 ×", "> keys 1000: wall 1.90 ×"}
		if got := s.flags(); !slices.Equal(got, want) {
			t.Errorf("flagged %q, want %q", got, want)
		}
		if got := grown(s.wall); got != 1.9 {
			t.Errorf("grown %.2f ×, want 1.90 ×", got)
		}
		s.wall[3] = math.Inf(1)
		if got := s.flags(); !slices.Contains(got, "> keys 1000: wall +Inf ×") || !strings.Contains(s.String(), "1000: too slow") {
			t.Errorf("flagged %q in %s", got, s)
		}
	})
}
