package admin

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

const (
	workSpan    = 15 * time.Second // rates and latencies are of the calls in this time
	watchedFor  = time.Minute      // a look has a pipeline measured for this long
	callsKept   = 512              // of a step
	callsWanted = 256              // samples per second and step, about
	maskMost    = 1<<16 - 1        // one record of at most 65,536 is sampled
)

// work measures the steps of a pipeline while somebody looks. It times every batch, and a random
// sample of other elements.
type work struct {
	watched atomic.Bool
	mask    atomic.Uint32 // one record of mask+1 is sampled; mask+1 is a power of 2
	steps   map[string]*calls

	mu    sync.Mutex // guards the fields below and calls; nothing is called under it
	since time.Time  // when it started to measure
	until time.Time  // when it stops, unless somebody looks
	drawn int        // sampled calls since at
	at    time.Time  // of the last change of mask
}

// calls is the last calls of a step, in a ring; next is where the next one goes.
type calls struct {
	of   []timed
	next int
}

// timed is a call, and how many calls it stands for.
type timed struct {
	at     time.Time
	took   time.Duration
	weight float64
	failed bool
}

func newWork(t stream.Topology) *work {
	w := &work{steps: map[string]*calls{}}
	for _, sg := range t.Stages {
		for _, st := range sg.Steps {
			w.steps[st.Name] = &calls{}
		}
	}
	return w
}

// observer hears of the sampled calls.
func (w *work) observer() stream.Observer {
	return stream.Observer{Begin: w.begin, Awake: &w.watched, StepDone: w.done}
}

func (w *work) begin(ctx context.Context) (context.Context, bool) {
	mask := w.mask.Load()
	return ctx, mask == 0 || rand.Uint32()&mask == 0
}

func (w *work) done(_ context.Context, c stream.Call, err error) {
	step := w.steps[c.Step()]
	if step == nil || !w.watched.Load() {
		return
	}
	one := timed{at: time.Now(), took: c.Duration(), weight: 1, failed: err != nil}
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.at.After(w.until) {
		w.watched.Store(false)
		return
	}
	if !c.Batch() {
		one.weight = float64(w.mask.Load()) + 1
		w.drawn++
		w.adapt(one.at)
	}
	step.add(one)
}

func (s *calls) add(one timed) {
	if len(s.of) < callsKept {
		s.of = append(s.of, one)
		return
	}
	s.of[s.next] = one
	s.next = (s.next + 1) % callsKept
}

// adapt makes samples rarer or more frequent. The caller holds mu.
func (w *work) adapt(now time.Time) {
	mask, past, wanted := w.mask.Load(), now.Sub(w.at), callsWanted*len(w.steps)
	switch {
	case past < time.Second/8 && w.drawn > wanted/4:
		mask = min(mask<<1|1, maskMost)
	case past < time.Second:
		return
	}
	for rate := float64(w.drawn) / past.Seconds(); past >= time.Second && rate < float64(wanted)/4 && mask > 0; rate *= 2 {
		mask >>= 1
	}
	w.mask.Store(mask)
	w.drawn, w.at = 0, now
}

// look returns what the steps have done lately, by name, and has them measured from now on. Steps
// that were not called since then are missing.
func (w *work) look() map[string]adminapi.Work {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = now.Add(watchedFor)
	if w.watched.CompareAndSwap(false, true) {
		w.since, w.at, w.drawn = now, now, 0
		w.mask.Store(0)
		for _, s := range w.steps {
			*s = calls{}
		}
	}
	w.adapt(now)
	all := map[string]adminapi.Work{}
	for name, s := range w.steps {
		if past := now.Sub(w.since); past >= time.Second && len(s.of) > 0 {
			all[legible.Text(name)] = s.sum(now, min(past, workSpan))
		}
	}
	return all
}

// sum sums up the calls of the last time.
func (s *calls) sum(now time.Time, span time.Duration) adminapi.Work {
	if len(s.of) == callsKept { // calls before the oldest one were overwritten
		span = min(span, now.Sub(s.of[s.next].at))
	}
	var took []time.Duration
	var all, failed float64
	for _, one := range s.of {
		if now.Sub(one.at) > span {
			continue
		}
		took = append(took, one.took)
		if all += one.weight; one.failed {
			failed += one.weight
		}
	}
	seconds := max(span, time.Millisecond).Seconds()
	sum := adminapi.Work{PerSecond: all / seconds, FailedPerSecond: failed / seconds}
	if len(took) > 0 {
		slices.Sort(took)
		median, slow := took[len(took)/2].Seconds(), took[len(took)*99/100].Seconds()
		sum.Median, sum.Slow = &median, &slow
	}
	return sum
}
