package stream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// handlerGrace is how long a handler may take to return after its context was cancelled.
const handlerGrace = time.Second

// writeAtOnce is the maximum number of elements in one Write of a sink.
const writeAtOnce = 1000

// executor is the stages of a run and what their workers share. It knows nothing of sources,
// assignments, commits or drains: the run that owns it does.
type executor struct {
	owner
	observers

	plan      *plan
	records   int // in flight, per partition
	stages    []*stage
	entries   []*stage // by source: where its records start
	steps     map[*node]*step
	batches   []*step // in chain order
	holders   []*step // batches and Transforms, in chain order: the steps that hold elements back
	counts    bool    // part.moving and stirs are counted; set if there are holders
	finish    finish  // set by the owner, once it knows how it commits
	waiting   lane.Limit
	turns     lane.Limit // of waiting: those for a rate
	rate      *pacer     // of the pipeline
	writers   *writers
	retrying  atomic.Int64 // waiting retries
	postponed atomic.Int64 // postponed elements
	handing   atomic.Int64 // workers that wait for a Transform to receive an element
	stirs     atomic.Int64 // how often tasks went to the workers; only if counts
	overruns  *overruns

	workersMu sync.Mutex // guards workers; a leaf, taken under a pool's lock
	workers   map[*lane.Worker]*worker
}

// owner is what an executor needs from its run.
type owner interface {
	fail(err error) // ends the run
	spawn(f func()) // starts a goroutine that the run waits for
	settleAll()     // flushes what no more elements can reach
}

func newExecutor(o owner, p *plan, records, maxWaiting int, hooks []hooks) *executor {
	x := &executor{owner: o, plan: p, records: records, entries: make([]*stage, len(p.sources)), steps: map[*node]*step{},
		rate: newPacer("", 0, 0), writers: newWriters(p), workers: map[*lane.Worker]*worker{}}
	x.waiting.Max, x.turns.Max = int32(maxWaiting), int32(maxWaiting/2)
	x.observers.end = o.fail
	x.listen(hooks)
	x.forgets = !p.hasTail() && !p.transacts()
	x.overruns = newOverruns(x)
	x.makeSteps()
	x.makeStages()
	return x
}

func (x *executor) makeSteps() {
	for _, n := range x.plan.nodes {
		sp := x.plan.steps[n]
		if sp == nil {
			continue
		}
		st := &step{exec: x, first: sp.first, single: sp.single, line: sp.line, node: n, name: sp.name, group: sp.group, policies: sp.policies, timeout: sp.timeout, handler: wrap(sp.use), state: len(x.steps)}
		st.tooLong = fmt.Errorf("%s took longer than its Timeout of %v [LW216]: %w", st.name, st.timeout, context.DeadlineExceeded)
		st.bare = st.timeout == 0 && st.handler == nil
		if o, ok := n.op.(starter); ok {
			o.start(st)
		}
		switch n.op.(type) {
		case collector:
			x.batches = append(x.batches, st)
			x.holders = append(x.holders, st)
		case transformer:
			x.holders = append(x.holders, st)
		}
		x.steps[n] = st
	}
	x.counts = len(x.holders) > 0
}

func (x *executor) makeStages() {
	for _, sp := range x.plan.stages {
		x.stages = append(x.stages, x.makeStage(sp))
	}
	for _, sg := range x.stages {
		if e := sg.plan.exit; e != nil {
			if o, ok := e.op.(transformer); ok {
				sg.transform = o.transform(x.steps[e], sg.next())
			}
		}
	}
}

func (x *executor) stepOf(n *node) *step { return x.steps[n] }

// starts counts tasks that go to the workers.
func (x *executor) starts(p *part, n int) {
	p.moving.Add(int64(n)) // before stirs: flushLast reads stirs first and then moving
	x.stirs.Add(1)
}

// ended counts a task that has ended.
func (p *part) ended() { p.endedN(1) }

func (p *part) endedN(n int) {
	if p.moving.Add(-int64(n)) == 0 {
		p.changed()
	}
}

// enroll registers a worker, so that the record it works on can be named if it hangs.
func (x *executor) enroll(w *worker) {
	x.workersMu.Lock()
	x.workers[w.Worker] = w
	x.workersMu.Unlock()
}

// started returns the highest offset of p in work in the first stage, or -1. A record that waits
// for the pipeline's rate has not begun. held is read before cur: whatever such a worker begins
// later, it looks at the status after this, and sees the drain.
func (x *executor) started(p *part) int64 {
	x.workersMu.Lock()
	defer x.workersMu.Unlock()
	highest := int64(-1)
	for _, w := range x.workers {
		h, rec := w.held.Load(), w.cur.Load()
		if rec == nil || !w.stage.marks || h != nil && h.unbegun {
			continue
		}
		rec.sources(func(l *record) bool {
			if l.part == p {
				highest = max(highest, l.offset())
			}
			return true
		})
	}
	return highest
}

// idle is called by a pool when a worker has no more work.
func (x *executor) idle(lw *lane.Worker, gone bool) {
	x.workersMu.Lock()
	x.workers[lw].cur.Store(nil) // an idle worker must not keep a finished record alive
	if gone {
		delete(x.workers, lw)
	}
	x.workersMu.Unlock()
}
