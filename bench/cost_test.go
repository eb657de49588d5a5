package bench

import (
	"context"
	"flag"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Sizes of the benchmarks that compare. They ignore b.N, so run them with -benchtime 1x.
var (
	elements = flag.Int("elements", 200_000, "elements of a run in the benchmarks of goals and growth")
	rounds   = flag.Int("rounds", 7, "how often two things are measured by turns; the least of each counts, which other load falsifies least")
)

// cost is the time that one run took.
type cost struct{ wall, cpu time.Duration }

// per is the cost of each of n elements in ns.
func (c cost) per(n int) (wall, cpu float64) {
	return float64(c.wall.Nanoseconds()) / float64(n), float64(c.cpu.Nanoseconds()) / float64(n)
}

// costs runs f on a collected heap and measures it.
func costs(f func()) cost {
	runtime.GC()
	start, used := time.Now(), cpu()
	f()
	return cost{time.Since(start), cpu() - used}
}

// least runs the funcs in turn, several rounds, and returns the lowest wall and processor time of
// each.
func least(rounds int, fs ...func()) []cost {
	min := make([]cost, len(fs))
	for n := range rounds {
		for i, f := range fs {
			c := costs(f)
			if n == 0 || c.wall < min[i].wall {
				min[i].wall = c.wall
			}
			if n == 0 || c.cpu < min[i].cpu {
				min[i].cpu = c.cpu
			}
		}
	}
	return min
}

// cpu is the processor time this process has used. Beside wall time it says what a worker costs,
// and other load does not falsify it much.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func run[T any](b testing.TB, s stream.Stream[T], opts ...stream.Option) {
	b.Helper()
	if err := s.Run(context.Background(), opts...); err != nil {
		b.Fatal(err)
	}
}
