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

// handlerGrace is what a handler gets to notice that its context was cancelled.
const handlerGrace = time.Second

// limits is what a run is told beside its plan.
type limits struct {
	records    int          // in flight, for each partition
	ahead      int64        // offsets that may be finished above the watermark, for each partition
	bytes      int64        // in flight, of all partitions
	build      resume.Build // which program this is; zero: not known
	drain      time.Duration
	maxWaiting int
	ears       []ear
}

// run is one execution of a plan. It owns every goroutine and outlives none of them, but for a
// handler that ignores its cancelled context.
//
// Order of locks: run.mu, part.mu, gate.mu, doorway.mu, bundles.mu and reorder.mu are never held
// together, except gate.mu before a lane.Set's; below them lane.Set.mu before lane.Pool.mu, and the
// ledger's, a leaf.
type run struct {
	plan    *plan
	opts    *limits
	src     feeder
	stages  []*stage
	steps   map[*node]*step
	batches []*step // in chain order
	holders []*step // batches and Transforms, in chain order: what may keep elements
	counts  bool    // tasks in motion are counted, for the holders
	// finished records are done with; in a tail, and held back for a transaction, they outlive
	// their tickets
	forgets   bool
	finish    finish
	commits   commits
	waiting   lane.Limit
	opened    []any // sinks, to be closed; Run's goroutine's own
	writers   *writers
	wg        conc.WaitGroup
	events    []func(Event)
	listeners []listener
	greeters  []listener   // those of them that have a Begin
	attempts  uint16       // the bits of those that hear of attempts
	always    uint16       // and of those of them that have no Begin
	timed     bool         // failures say how long their attempt took
	retrying  atomic.Int64 // waiting retries
	postponed atomic.Int64 // elements that wait after what was no attempt
	handing   atomic.Int64 // waits for a Transform to take an element
	stirs     atomic.Int64 // how often tasks went to the workers; kept where counts is
	overruns  *overruns
	stateMax  atomic.Int64 // bytes that a resume state may take
	stuck     atomic.Bool  // a handler did not heed its cancelled context in time

	workCtx    context.Context // of handlers; ends at the drain's deadline
	cancelWork context.CancelCauseFunc
	commitCtx  context.Context // of commits outside a drain
	stopCommit context.CancelFunc
	crippled   context.Context // ends when a goroutine of the run has ended amid its work
	cripple    context.CancelFunc
	sourceCtx  context.Context // of the source; ends when the drain begins
	stopSource context.CancelCauseFunc
	draining   sync.Once // beginDrain

	crew    sync.Mutex // guards workers; a leaf, taken under a pool's lock
	workers map[*lane.Worker]*worker

	stage   atomic.Uint32 // a phase
	mu      sync.Mutex    // guards what follows
	parts   map[TopicPartition]*part
	list    []*part
	tails   []*part // of partitions that were let go
	epochs  map[TopicPartition]int32
	failure error
	left    leftovers
	// finished and not committed, of what was lost since the source heard of its group
	lost     map[TopicPartition]string
	health   error
	troubles map[TopicPartition]Trouble
	deadline time.Time     // of the drain
	dry      chan struct{} // closed when everything that keeps elements was emptied
	dried    bool
}

// phase is how far a run has come; it only rises.
type phase uint32

const (
	working   phase = iota
	finishing       // the source has no more: everything is finished
	stopping        // the pipeline drains: no record is started
	shut            // and nothing comes in any more
)

func (r *run) phase() phase { return phase(r.stage.Load()) }

// enter moves the run on to a phase, unless it has come further.
func (r *run) enter(ph phase) {
	for {
		now := r.stage.Load()
		if now >= uint32(ph) || r.stage.CompareAndSwap(now, uint32(ph)) {
			return
		}
	}
}

var errConnecting = errors.New("the source has not connected yet")

func newRun(ctx context.Context, p *plan, src feeder, opts *limits, commits func(*run) commits) *run {
	r := &run{plan: p, opts: opts, src: src, steps: map[*node]*step{}, parts: map[TopicPartition]*part{}, epochs: map[TopicPartition]int32{},
		writers: newWriters(p), health: errConnecting, troubles: map[TopicPartition]Trouble{}, workers: map[*lane.Worker]*worker{}, dry: make(chan struct{}), lost: map[TopicPartition]string{}}
	r.waiting.Max = int32(opts.maxWaiting)
	r.workCtx, r.cancelWork = context.WithCancelCause(context.WithoutCancel(ctx))
	r.commitCtx, r.stopCommit = context.WithCancel(context.WithoutCancel(ctx))
	r.crippled, r.cripple = context.WithCancel(context.WithoutCancel(ctx))
	r.listen(opts.ears)
	r.overruns = newOverruns(r)
	r.makeSteps()
	r.commits = commits(r)
	r.finish = r.commits.finish
	r.stateMax.Store(int64(src.info().StateBytes))
	r.forgets = !p.hasTail() && !p.transacts()
	r.makeStages()
	return r
}

func (r *run) makeSteps() {
	called := false
	for _, n := range r.plan.nodes {
		sp := r.plan.steps[n]
		if sp == nil {
			continue
		}
		st := &step{first: !called, run: r, node: n, name: sp.name, group: sp.group, policies: sp.policies, timeout: sp.timeout, handler: wrap(sp.use), state: len(r.steps)}
		st.tooLong = fmt.Errorf("%s took longer than its Timeout of %v: %w", st.name, st.timeout, context.DeadlineExceeded)
		st.bare = st.timeout == 0 && st.handler == nil
		called = called || n.op.does() == calls
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
	for i, sp := range r.plan.stages {
		sg := &stage{run: r, index: i, plan: sp, group: sp.group, lanes: sp.lanes, open: sp.first.(typed).opener(), greets: i == 0 && len(r.greeters) > 0, marks: i == 0 && sp.lanes != perPart}
		if i == 0 {
			sg.open = r.src.opener()
		}
		cfg := lane.Config{Slots: sp.slots, Count: sp.fanned, Go: r.spawn, Idle: r.idle, Waiting: &r.waiting, One: sg.one}
		if d := sp.degree; d != nil {
			cfg.MaxPartitions = d.maxPartitions
		}
		if sp.head != nil {
			cfg.Bulk, cfg.Work = writeAtOnce, sg.bulk
		}
		if i > 0 {
			cfg.Free = sp.first.(typed).free(sg)
		}
		sg.pool = lane.NewPool(cfg)
		for _, n := range sp.nodes {
			st := r.steps[n]
			st.stage = sg
			sg.steps = append(sg.steps, st)
		}
		if e := sp.exit; e != nil && r.steps[e] != nil {
			r.steps[e].stage = sg
		}
		r.stages = append(r.stages, sg)
	}
	for i, sg := range r.stages {
		if e := sg.plan.exit; e != nil {
			if o, ok := e.op.(transformer); ok {
				sg.doorway = o.door(r.steps[e], r.stages[i+1])
			}
		}
	}
}

func (r *run) stepOf(n *node) *step { return r.steps[n] }

// enroll keeps a worker in sight, to name what it works on should it hang.
func (r *run) enroll(w *worker) {
	r.crew.Lock()
	r.workers[w.Worker] = w
	r.crew.Unlock()
}

// started is the highest offset of p that a worker of the first stage is working on; -1: none.
func (r *run) started(p *part) int64 {
	r.crew.Lock()
	defer r.crew.Unlock()
	edge := int64(-1)
	for _, w := range r.workers {
		rec := w.cur.Load()
		if rec == nil || !w.stage.marks {
			continue
		}
		rec.leaves(func(l *record) bool {
			if l.part == p {
				edge = max(edge, l.offset())
			}
			return true
		})
	}
	return edge
}

// idle is the word of a pool that a worker has run out of work.
func (r *run) idle(lw *lane.Worker, gone bool) {
	r.crew.Lock()
	r.workers[lw].cur.Store(nil) // it would keep a record alive that is long done with
	if gone {
		delete(r.workers, lw)
	}
	r.crew.Unlock()
}

// share is the part of the byte budget that each partition has.
func (r *run) share() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts.bytes / int64(max(1, len(r.list)))
}

// fail ends the pipeline because of err; the first one is what Run returns.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.failure == nil {
		r.failure = err
	}
	stop := r.stopSource
	r.mu.Unlock()
	stop(err)
}

func (r *run) setHealth(err error) {
	r.mu.Lock()
	r.health = err
	r.mu.Unlock()
}

// all is the assigned partitions. The slice is not changed afterwards.
func (r *run) all() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// setStop says what ends the source.
func (r *run) setStop(source context.Context, stop context.CancelCauseFunc) {
	r.mu.Lock()
	r.sourceCtx, r.stopSource = source, stop
	r.mu.Unlock()
}

// writeAtOnce is how many elements of a partition a sink is given in one Write at most.
const writeAtOnce = 1000

// spawn starts a goroutine of the run. A panic of it, which would be a bug of this package, ends
// the pipeline and comes out of Run; so does a handler that ends its goroutine, which nobody can
// stop. What such a goroutine held never comes to rest: no drain waits for it.
func (r *run) spawn(f func()) {
	r.wg.Go(func() {
		returned := false
		defer func() {
			if p := recover(); p != nil {
				r.fail(panicked(p))
				r.cripple()
				panic(p)
			}
			if !returned {
				r.fail(errEnded)
				r.cripple()
			}
		}()
		f()
		returned = true
	})
}

var errEnded = errors.New("a handler ended its goroutine (runtime.Goexit, or t.FailNow outside the test's own): return an error instead")
