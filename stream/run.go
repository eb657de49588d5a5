package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/resume"
)

// handlerGrace is how long a handler may take to return after its context was cancelled.
const handlerGrace = time.Second

// limits is the options of a run.
type limits struct {
	records    int          // in flight, per partition
	ahead      int64        // span of offsets above the watermark, per partition
	bytes      int64        // in flight, over all partitions
	build      resume.Build // of this program; zero if unknown
	drain      time.Duration
	maxWaiting int
	ears       []ear
}

// run is one execution of a plan. It owns every goroutine and waits for all of them, except for a
// handler that ignores its cancelled context.
//
// Order of locks: run.mu, part.mu, gate.mu, doorway.mu, bundles.mu and reorder.mu are never held
// together, except gate.mu before a lane.Set's; below them lane.Set.mu before lane.Pool.mu, and the
// ledger's, a leaf.
type run struct {
	observers

	plan      *plan
	opts      *limits
	inlets    []*inlet
	stages    []*stage
	steps     map[*node]*step
	batches   []*step // in chain order
	holders   []*step // batches and Transforms, in chain order: the steps that hold elements back
	counts    bool    // part.moving and stirs are counted; set if there are holders
	finish    finish
	commits   commits
	waiting   lane.Limit
	opened    []any // sinks to close; only the goroutine of Run uses it
	writers   *writers
	wg        conc.WaitGroup
	retrying  atomic.Int64 // waiting retries
	postponed atomic.Int64 // postponed elements
	handing   atomic.Int64 // workers that wait for a Transform to receive an element
	stirs     atomic.Int64 // how often tasks went to the workers; only if counts
	overruns  *overruns
	stuck     atomic.Bool // a handler has not returned within handlerGrace

	workCtx    context.Context // of handlers; cancelled at the drain's deadline
	cancelWork context.CancelCauseFunc
	commitCtx  context.Context // of commits outside a drain
	stopCommit context.CancelFunc
	broken     context.Context // cancelled when a goroutine of the run ended in the middle of its work
	markBroken context.CancelFunc
	sourceCtx  context.Context // of the source; cancelled when the drain starts
	stopSource context.CancelCauseFunc
	draining   sync.Once // beginDrain

	workersMu sync.Mutex // guards workers; a leaf, taken under a pool's lock
	workers   map[*lane.Worker]*worker

	stage    atomic.Uint32 // a phase
	closing  atomic.Bool   // a Transform was told that no more elements come
	mu       sync.Mutex    // guards the fields below
	parts    map[TopicPartition]*part
	list     []*part
	spent    []*part // of list: those of exhausted sources
	tails    []*part // of released partitions
	epochs   map[TopicPartition]int32
	failure  error
	left     leftovers
	troubles map[TopicPartition]Trouble
	deadline time.Time     // of the drain
	dry      chan struct{} // closed when all holders are empty for good
	dried    bool
}

// phase is how far a run has come. It never goes back.
type phase uint32

const (
	working   phase = iota
	finishing       // the source is exhausted: fed records finish
	stopping        // the pipeline drains: no new record is started
	shut            // the pipeline drains and no more records are accepted
)

func (r *run) phase() phase { return phase(r.stage.Load()) }

// enter moves the run forward to a phase.
func (r *run) enter(ph phase) {
	for {
		now := r.stage.Load()
		if now >= uint32(ph) || r.stage.CompareAndSwap(now, uint32(ph)) {
			return
		}
	}
}

func newRun(ctx context.Context, p *plan, srcs []feeder, opts *limits, commits func(*run) commits) *run {
	r := &run{plan: p, opts: opts, steps: map[*node]*step{}, parts: map[TopicPartition]*part{}, epochs: map[TopicPartition]int32{},
		writers: newWriters(p), troubles: map[TopicPartition]Trouble{}, workers: map[*lane.Worker]*worker{}, dry: make(chan struct{})}
	r.waiting.Max = int32(opts.maxWaiting)
	r.workCtx, r.cancelWork = context.WithCancelCause(context.WithoutCancel(ctx))
	r.commitCtx, r.stopCommit = context.WithCancel(context.WithoutCancel(ctx))
	r.broken, r.markBroken = context.WithCancel(context.WithoutCancel(ctx))
	r.observers.end = r.fail
	r.listen(opts.ears)
	r.overruns = newOverruns(r)
	for i, src := range srcs {
		r.inlets = append(r.inlets, newInlet(r, i, src, p.sources[i].id))
	}
	r.makeSteps()
	r.commits = commits(r)
	r.finish = r.commits.finish()
	r.forgets = !p.hasTail() && !p.transacts()
	r.makeStages()
	return r
}

func (r *run) makeSteps() {
	for _, n := range r.plan.nodes {
		sp := r.plan.steps[n]
		if sp == nil {
			continue
		}
		st := &step{first: sp.first, single: sp.single, line: sp.line, run: r, node: n, name: sp.name, group: sp.group, policies: sp.policies, timeout: sp.timeout, handler: wrap(sp.use), state: len(r.steps)}
		st.tooLong = fmt.Errorf("%s took longer than its Timeout of %v [LW216]: %w", st.name, st.timeout, context.DeadlineExceeded)
		st.bare = st.timeout == 0 && st.handler == nil
		if o, ok := n.op.(starter); ok {
			o.start(st)
		}
		switch n.op.(type) {
		case collector:
			r.batches = append(r.batches, st)
			r.holders = append(r.holders, st)
		case transformer:
			r.holders = append(r.holders, st)
		}
		r.steps[n] = st
	}
	r.counts = len(r.holders) > 0
}

func (r *run) makeStages() {
	for _, sp := range r.plan.stages {
		sg := r.makeStage(sp)
		r.stages = append(r.stages, sg)
	}
	for _, sg := range r.stages {
		if e := sg.plan.exit; e != nil {
			if o, ok := e.op.(transformer); ok {
				sg.doorway = o.door(r.steps[e], sg.next())
			}
		}
	}
}

func (r *run) stepOf(n *node) *step { return r.steps[n] }

// enroll registers a worker, so that the record it works on can be named if it hangs.
func (r *run) enroll(w *worker) {
	r.workersMu.Lock()
	r.workers[w.Worker] = w
	r.workersMu.Unlock()
}

// started returns the highest offset of p in work in the first stage, or -1.
func (r *run) started(p *part) int64 {
	r.workersMu.Lock()
	defer r.workersMu.Unlock()
	highest := int64(-1)
	for _, w := range r.workers {
		rec := w.cur.Load()
		if rec == nil || !w.stage.marks {
			continue
		}
		rec.leaves(func(l *record) bool {
			if l.part == p {
				highest = max(highest, l.offset())
			}
			return true
		})
	}
	return highest
}

// idle is called by a pool when a worker has no more work.
func (r *run) idle(lw *lane.Worker, gone bool) {
	r.workersMu.Lock()
	r.workers[lw].cur.Store(nil) // an idle worker must not keep a finished record alive
	if gone {
		delete(r.workers, lw)
	}
	r.workersMu.Unlock()
}

// fail ends the pipeline. Run returns the first err.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.failure == nil {
		r.failure = err
	}
	r.mu.Unlock()
	r.stopSources(err)
}

// stopSources cancels the context of the sources.
func (r *run) stopSources(cause error) {
	r.mu.Lock()
	stop := r.stopSource
	r.mu.Unlock()
	stop(cause)
}

// all returns the assigned partitions. The slice is never modified.
func (r *run) all() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// setStop sets the source's context and its cancel func.
func (r *run) setStop(source context.Context, stop context.CancelCauseFunc) {
	r.mu.Lock()
	r.sourceCtx, r.stopSource = source, stop
	r.mu.Unlock()
}

// writeAtOnce is the maximum number of elements in one Write of a sink.
const writeAtOnce = 1000

// spawn starts a goroutine of the run. A panic in it is a bug of this package: it ends the pipeline
// and Run panics with it. A handler that ends its goroutine also ends the pipeline. The tickets
// that such a goroutine held are never resolved, so no drain waits for them.
func (r *run) spawn(f func()) {
	r.wg.Go(func() {
		returned := false
		defer func() {
			if p := recover(); p != nil {
				r.fail(panicked(p))
				r.markBroken()
				panic(p)
			}
			if !returned {
				r.fail(errEnded)
				r.markBroken()
			}
		}()
		f()
		returned = true
	})
}

var errEnded = errors.New("a handler ended its goroutine (runtime.Goexit, or t.FailNow outside the test's own): return an error instead [LW217]")
