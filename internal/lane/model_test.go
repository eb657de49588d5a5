package lane

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// rapid's own default finds too few races
	if f := flag.Lookup("rapid.checks"); f.Value.String() == "100" {
		_ = f.Value.Set("3000")
	}
	goleak.VerifyTestMain(m)
}

// plan is one random load: when each job is put where, and how long it takes.
type plan struct {
	slots, turns, bulk, waiting int
	sets                        int
	jobs                        []job
}

type job struct {
	set   int
	lane  uint64 // 0: loose
	pause time.Duration
	work  time.Duration
	wait  time.Duration
	chain int  // put together with that many jobs after it
	cut   bool // then its lane is cut, and what was taken is put again
	slots int  // that many from then on; 0: as before
}

func drawPlan(t *rapid.T) *plan {
	ds := []time.Duration{0, 0, time.Microsecond, time.Millisecond, 10 * time.Millisecond}
	p := &plan{slots: rapid.IntRange(0, 3).Draw(t, "slots"), turns: rapid.IntRange(0, 2).Draw(t, "turns"),
		waiting: rapid.SampledFrom([]int{100, 0, 1}).Draw(t, "waiting"), sets: rapid.IntRange(1, 3).Draw(t, "sets")}
	if rapid.IntRange(0, 4).Draw(t, "inBulk") == 4 {
		p.bulk = 3
	}
	for range rapid.IntRange(1, 30).Draw(t, "jobs") {
		p.jobs = append(p.jobs, job{set: rapid.IntRange(0, p.sets-1).Draw(t, "set"), lane: rapid.Uint64Range(0, 4).Draw(t, "lane"),
			pause: rapid.SampledFrom(ds).Draw(t, "pause"), work: rapid.SampledFrom(ds).Draw(t, "work"),
			wait: rapid.SampledFrom(ds).Draw(t, "wait"), chain: rapid.IntRange(0, 2).Draw(t, "chain"), cut: rapid.Bool().Draw(t, "cut"),
			slots: max(0, rapid.IntRange(-9, 3).Draw(t, "slots from then on"))})
	}
	return p
}

// load is a running plan.
type load struct {
	*plan
	mu      sync.Mutex
	slots   int                       // now
	lowered bool                      // slots were: waits that keep a slot may go on beyond them
	working int                       // tasks that hold a slot
	back    int                       // waits that have ended, and need a slot
	started map[[2]uint64]int         // of each lane: started, not finished
	done    map[[2]uint64][]int       // of each lane: finished, by number of the job
	put     map[[2]uint64][]int       // of each lane: put
	sets    map[int]int               // running, by set
	tasks   map[*Task]int             // number of the job
	lanes   func(n int) (l [2]uint64) // of a job
	cut     int                       // tasks taken out of lanes
	bad     []string
}

func (l *load) violate(format string, args ...any) {
	l.bad = append(l.bad, fmt.Sprintf(format, args...))
}

func TestLanes(t *testing.T) {
	// The model checks order in a lane, one worker per lane, at most Slots workers, also
	// after SetSlots, at most MaxPartitions sets, no free slot while a task is ready or a wait is
	// over, and that every task runs.
	t.Run("keep their promises under random load", func(t *testing.T) {
		cut := 0
		rapid.Check(t, func(rt *rapid.T) {
			p := drawPlan(rt)
			var l *load
			synctest.Test(t, func(*testing.T) { l = p.run() })
			if cut += l.cut; len(l.bad) > 0 {
				rt.Fatalf("%v\n%+v", l.bad[0], p)
			}
		})
		if cut == 0 {
			t.Error("no lane was cut")
		}
	})
}

func (p *plan) run() *load {
	l := &load{plan: p, slots: p.slots, started: map[[2]uint64]int{}, done: map[[2]uint64][]int{}, put: map[[2]uint64][]int{}, sets: map[int]int{}, tasks: map[*Task]int{}}
	l.lanes = func(n int) [2]uint64 { return [2]uint64{uint64(p.jobs[n].set), p.jobs[n].lane} }
	var wg conc.WaitGroup
	limit := &Limit{Max: int32(p.waiting)}
	cfg := Config{Slots: p.slots, MaxPartitions: p.turns, Go: wg.Go, Waiting: limit, Count: true,
		One: func(w *Worker) func(*Task) { return func(t *Task) { l.work(w, []*Task{t}) } }}
	if p.bulk > 0 {
		cfg.Bulk, cfg.Work = p.bulk, func(w *Worker) func([]*Task) { return func(ts []*Task) { l.work(w, ts) } }
	}
	pool := NewPool(cfg)
	var sets []*Set
	for range p.sets {
		sets = append(sets, pool.NewSet())
	}
	for n := 0; n < len(p.jobs); n++ {
		time.Sleep(p.jobs[n].pause)
		synctest.Wait()
		l.conserved()
		l.drawn(pool)
		if to := p.jobs[n].slots; to > 0 && l.slots > 0 {
			l.resize(pool, to)
			synctest.Wait()
			l.conserved()
			l.drawn(pool)
		}
		n = l.putFrom(sets, n)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	l.finished(limit, sets)
	pool.Close()
	wg.Wait()
	return l
}

// drawn checks that no worker keeps a slot in Wait that another one is to have.
func (l *load) drawn(p *Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keeping) > 0 && (len(p.resume) > 0 || p.excess() > 0) {
		l.violate("%d wait with a slot, %d wait for one, %d are too many", len(p.keeping), len(p.resume), p.excess())
	}
	if n := len(p.resume) + p.excess(); int(p.due.Load()) != n {
		l.violate("%d slots are due, want %d", p.due.Load(), n)
	}
}

// resize changes the number of slots while every worker works, waits or idles.
func (l *load) resize(pool *Pool, to int) {
	l.mu.Lock()
	was := l.slots
	l.slots, l.lowered = to, l.lowered || to < was
	l.mu.Unlock()
	if !pool.SetSlots(was, to) {
		l.violate("the pool has other slots than %d", was)
	}
	if pool.SetSlots(to+1, to+2) {
		l.violate("a change of %d slots was made to %d", to+1, to)
	}
}

// putFrom puts job n and the jobs of its chain, and returns the last of them.
func (l *load) putFrom(sets []*Set, n int) int {
	j := l.jobs[n]
	last := n
	if j.lane != 0 {
		for last+1 < len(l.jobs) && last-n < j.chain {
			last++
			l.jobs[last].set, l.jobs[last].lane = j.set, j.lane
		}
	}
	ts := make([]*Task, 0, 3)
	l.mu.Lock()
	for i := n; i <= last; i++ {
		t := &Task{}
		ts = append(ts, t)
		l.tasks[t] = i
		l.put[l.lanes(i)] = append(l.put[l.lanes(i)], i)
	}
	l.mu.Unlock()
	b := sets[j.set].Begin()
	switch {
	case j.lane == 0:
		b.PutLoose(ts[0])
	default:
		for i := range ts[1:] {
			Link(ts[i], ts[i+1])
		}
		b.PutChain(j.lane, ts[0], ts[len(ts)-1], int32(len(ts)))
	}
	b.End()
	if j.cut {
		l.cutAndPut(sets[j.set], j.lane, n)
	}
	return last
}

// cutAndPut cuts a lane, where every third job stays, and puts back what was cut.
func (l *load) cutAndPut(s *Set, lane uint64, n int) {
	time.Sleep(l.jobs[n].pause)
	synctest.Wait()
	l.mu.Lock()
	number := maps.Clone(l.tasks)
	l.mu.Unlock()
	cut := s.Cut(lane, func(t *Task) bool { return number[t]%3 == 0 })
	l.mu.Lock()
	for _, t := range cut {
		if lane := l.lanes(number[t]); slices.Contains(l.done[lane], number[t]) {
			l.violate("job %d was cut, and is done", number[t])
		}
	}
	l.cut += len(cut)
	l.mu.Unlock()
	time.Sleep(time.Second) // the rest of the lane ends
	for _, t := range cut {
		s.Put(lane, t)
	}
}

func (l *load) work(w *Worker, ts []*Task) {
	l.mu.Lock()
	var work, wait time.Duration
	var ns []int
	for _, t := range ts {
		n := l.tasks[t]
		ns = append(ns, n)
		work, wait = max(work, l.jobs[n].work), max(wait, l.jobs[n].wait)
	}
	lane := l.lanes(ns[0])
	if w.Lane() != lane[1] {
		l.violate("job %d is told lane %d", ns[0], w.Lane())
	}
	if lane[1] != 0 && l.started[lane] > 0 {
		l.violate("two workers in lane %v", lane)
	}
	l.started[lane]++
	l.enter(ns[0], 1, true)
	l.mu.Unlock()
	time.Sleep(work)
	if wait > 0 {
		l.mu.Lock()
		// before it waits; a wait that keeps its slot counts like none
		l.enter(ns[0], -1, false)
		l.mu.Unlock()
		w.Wait(func() {
			w.Stall(func() { time.Sleep(wait) })
			l.mu.Lock()
			l.back++
			l.mu.Unlock()
		})
		l.mu.Lock()
		l.back--
		l.enter(ns[0], 1, !l.lowered || l.waiting >= 100)
		l.mu.Unlock()
		time.Sleep(work)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(ns[0], -1, false)
	l.started[lane]--
	l.done[lane] = append(l.done[lane], ns...)
}

// enter counts workers, and checks them against the bounds. If needs is set, job n needs a free
// slot. mu is held.
func (l *load) enter(n, k int, needs bool) {
	l.working += k
	set := l.jobs[n].set
	if l.sets[set] += k; l.sets[set] == 0 {
		delete(l.sets, set)
	}
	if needs && l.slots > 0 && l.working > l.slots {
		l.violate("%d at a time with %d slots", l.working, l.slots)
	}
	if l.turns > 0 && len(l.sets) > l.turns {
		l.violate("%d sets at a time, %d may be", len(l.sets), l.turns)
	}
}

// conserved checks that no task is ready while a slot is free.
func (l *load) conserved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns > 0 || l.waiting < 100 || l.slots > 0 && l.working >= l.slots {
		return
	}
	if l.back > 0 {
		l.violate("a wait has ended and a slot is free")
	}
	for lane, put := range l.put {
		if left := len(put) - len(l.done[lane]); left > 0 && l.started[lane] == 0 || lane[1] == 0 && left > l.started[lane] {
			l.violate("lane %v has %d to do and a slot is free", lane, left)
		}
	}
}

func (l *load) finished(limit *Limit, sets []*Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for lane, put := range l.put {
		done := l.done[lane]
		if lane[1] == 0 {
			slices.Sort(done)
		}
		if !slices.Equal(put, done) {
			l.violate("lane %v: put %v, done %v", lane, put, done)
		}
	}
	if n := limit.Taken(); n != 0 {
		l.violate("%d workers still wait at the end", n)
	}
	for i, s := range sets {
		if n := s.queued.Load(); n != 0 {
			l.violate("set %d counts %d queued at the end", i, n)
		}
	}
}
