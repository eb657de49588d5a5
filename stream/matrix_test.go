package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// The matrix: each order × degree × policy × commit, on a log that fails now and then, against what
// DESIGN promises of each dial alone. A word that is added gets all combinations by one line.

type (
	chain = stream.Stream[string]

	order struct {
		name string
		word func(chain) chain
	}

	guarantee struct {
		name  string
		above bool // of the work: at most once
		word  func(chain) chain
	}

	// pace is a degree word with its handler.
	pace struct {
		name   string
		n      int // at most so many at a time; 0: as many as there are groups
		serial bool
		word   func(chain, func(context.Context, string) (string, error)) chain
	}

	// fate is what a failure leads to.
	fate struct {
		name  string
		loses bool // the bad records are given up
		halts bool // the test skips what is halted
		word  func(chain) chain
	}
)

const (
	matrixParts = 3
	matrixPer   = 66 // records of each partition
	matrixKeys  = 5
)

var orders = []order{
	{"ungrouped", func(s chain) chain { return s }},
	{"by partition", chain.GroupByPartition},
	{"by key", chain.GroupByKey},
	{"by value", func(s chain) chain { return s.GroupBy(func(v string) byte { return v[0] }) }},
}

var paces = []pace{
	{"MapSerial", 1, true, func(s chain, f func(context.Context, string) (string, error)) chain { return s.MapSerial(f) }},
	{"MapConcurrent 4", 4, false, func(s chain, f func(context.Context, string) (string, error)) chain { return s.MapConcurrent(4, f) }},
	{"MapConcurrent 4 of one partition", 4, false, func(s chain, f func(context.Context, string) (string, error)) chain {
		return s.MapConcurrent(4, f, stream.MaxPartitions(1))
	}},
	{"MapConcurrent 64", 64, false, func(s chain, f func(context.Context, string) (string, error)) chain { return s.MapConcurrent(64, f) }},
	{"twice", 4, false, func(s chain, f func(context.Context, string) (string, error)) chain {
		return s.Concurrent(8, pass).MapConcurrent(4, f)
	}},
	{"beside branches", 4, false, func(s chain, f func(context.Context, string) (string, error)) chain {
		also := func(s chain) chain { return s.Concurrent(3, pass) }
		none := func(s chain) chain { return s.DivertTo(func(string) bool { return false }, also).Tap(pass) }
		return s.AlsoTo(also).AlsoTo(none).MapConcurrent(4, f)
	}},
}

var fates = []fate{
	{"retry", false, false, func(s chain) chain { return s.RetryOnError(every(time.Millisecond, 9)) }},
	{"skip", true, false, func(s chain) chain { return s.SkipOnError() }},
	{"retry, skip", true, false, func(s chain) chain { return s.RetryOnError(every(time.Millisecond, 2)).SkipOnError() }},
	{"dead letter", true, false, func(s chain) chain { return s.DeadLetterOnError(new(sink[stream.Failure])) }},
	{"retry, halt", true, true, func(s chain) chain { return s.RetryOnError(every(time.Millisecond, 2)).HaltOnError() }},
}

var commits = []guarantee{
	{"one above", true, func(s chain) chain { return s.CommitBefore(1, 0) }},
	{"every 20 above", true, func(s chain) chain { return s.CommitBefore(20, time.Second) }},
	{"each", false, chain.CommitEach},
	{"every one", false, func(s chain) chain { return s.CommitEvery(1, 0) }},
	{"every 50", false, func(s chain) chain { return s.CommitEvery(50, time.Second) }},
	{"batched", false, func(s chain) chain { return s.Batch(7, 0).FlatMap(flat).CommitEach() }},
}

func TestMatrix(t *testing.T) {
	for _, o := range orders {
		forEach(t, o.name, paces, func(p pace) string { return p.name }, func(t *testing.T, p pace) {
			forEach(t, "", fates, func(f fate) string { return f.name }, func(t *testing.T, f fate) {
				forEach(t, "", commits, func(c guarantee) string { return c.name }, func(t *testing.T, c guarantee) {
					if c.above && f.halts || p.serial && (o.name == "by key" || o.name == "by value") {
						return // refused by Build: TestBuild/refuses
					}
					bubble(t, func(t *testing.T) { matrix(t, o, p, f, c) })
				})
			})
		})
	}
}

// forEach runs a test for each item, below the test of a group where that has a name.
func forEach[T any](t *testing.T, group string, items []T, name func(T) string, f func(*testing.T, T)) {
	run := func(t *testing.T) {
		for _, item := range items {
			t.Run(name(item), func(t *testing.T) { f(t, item) })
		}
	}
	if group == "" {
		run(t)
		return
	}
	t.Run(group, run)
}

func matrix(t *testing.T, o order, p pace, f fate, c guarantee) {
	l := newLog(matrixParts)
	for i := range matrixParts {
		for n := range matrixPer {
			put(l, i, fmt.Sprintf("%c%d.%02d", 'a'+n%matrixKeys, i, n))
		}
	}
	h := &heedful{tries: map[string]int{}, running: map[string]int{}, group: groupOf(o.name)}
	above, below := c.word, func(s chain) chain { return s }
	if !c.above {
		above, below = below, above
	}
	j := start(t, l, below(f.word(p.word(o.word(above(input)), h.do))), stream.MaxInFlight(32))
	// The log has more for as long as a partition may halt: until a second has passed without one.
	for last := time.Now(); f.halts && time.Since(last) < time.Second; elapse(10 * time.Millisecond) {
		for _, h := range j.Halts() {
			last = time.Now()
			if err := j.Skip(h); err != nil && !errors.Is(err, stream.ErrStale) {
				t.Fatal(err)
			}
		}
	}
	l.Finish()
	must(t, j.wait())

	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range matrixParts {
		var want, got []string
		for n := range matrixPer {
			if v := fmt.Sprintf("%c%d.%02d", 'a'+n%matrixKeys, i, n); !f.loses || !bad(v) {
				want = append(want, v)
			}
		}
		for _, v := range h.done {
			switch {
			case v[1] != byte('0'+i):
			case f.halts && (bad(v) || slices.Contains(got, v)):
				// What a halt has dropped from a batch is done again; a record that failed in a
				// frozen partition gets all its attempts again.
			default:
				got = append(got, v)
			}
		}
		sameSet(t, fmt.Sprint("partition ", i), got, want)
		if h.group == nil && !p.serial {
			continue
		}
		for _, g := range groupsOf(want, h.group) {
			same(t, "order of "+g, within(got, h.group, g), within(want, h.group, g))
		}
		j.committed(slices.Repeat([]int64{matrixPer}, matrixParts)...)
	}
	if h.overlap {
		t.Error("two of one group at a time")
	}
	limit := p.n
	if p.serial && h.group != nil {
		limit = matrixParts * matrixKeys
	}
	if h.most > limit {
		t.Errorf("%d at a time, at most %d", h.most, limit)
	}
}

// bad records fail twice; a policy that tries no more often than that gives them up.
func bad(v string) bool { return v[3:] == "13" || v[3:] == "40" || v[3:] == "41" }

// heedful is a handler that sees to order and degree.
type heedful struct {
	group func(string) string // nil: ungrouped

	mu      sync.Mutex
	tries   map[string]int
	running map[string]int
	now     int
	most    int
	overlap bool
	done    []string
}

func (h *heedful) do(c context.Context, v string) (string, error) {
	h.mu.Lock()
	g := v
	if h.group != nil {
		g = h.group(v)
	}
	h.now++
	h.most = max(h.most, h.now)
	h.running[g]++
	h.overlap = h.overlap || h.running[g] > 1
	h.tries[v]++
	fails := bad(v) && h.tries[v] <= 2
	h.mu.Unlock()
	select {
	case <-time.After(time.Duration(v[4]%3+1) * time.Millisecond):
	case <-c.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now--
	h.running[g]--
	if c.Err() != nil {
		return "", c.Err()
	}
	if fails {
		return "", errBoom
	}
	h.done = append(h.done, v)
	return v, nil
}

func groupOf(order string) func(string) string {
	switch order {
	case "by partition":
		return func(v string) string { return v[1:2] }
	case "by key", "by value":
		return func(v string) string { return v[:2] }
	}
	return nil
}

// groupsOf is the groups of a partition's records: without a grouping, Serial keeps the
// partition's.
func groupsOf(vs []string, group func(string) string) (gs []string) {
	if group == nil {
		return []string{""}
	}
	for _, v := range vs {
		if g := group(v); !slices.Contains(gs, g) {
			gs = append(gs, g)
		}
	}
	return gs
}

func within(vs []string, group func(string) string, g string) (in []string) {
	for _, v := range vs {
		if group == nil || group(v) == g {
			in = append(in, v)
		}
	}
	return in
}
