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
)

// handlerGrace is what a handler gets to notice that its context was cancelled.
const handlerGrace = time.Second

// run is one execution of a plan. It owns every goroutine and outlives none of them, but for a handler that ignores its cancelled context.
//
// Order of locks: run.mu, part.mu, gate.mu, doorway.mu, bundles.mu and reorder.mu are never held together, except gate.mu before a lane.Set's;
// below them lane.Set.mu before lane.Pool.mu, and the ledger's, a leaf.
type run struct {
	plan      *plan
	opts      *options
	src       feeder
	stages    []*stage
	steps     map[*node]*step
	batches   []*step // in chain order
	holders   []*step // batches and Transforms, in chain order: what may keep elements
	counts    bool    // tasks in motion are counted, for the holders
	forgets   bool    // finished records are done with; below a commit, and held back for a transaction, they outlive their tickets
	finish    finish
	committer *committer    // nil: no CommitEach, no CommitEvery
	tx        *transactions // nil: no CommitWith
	whole     *part         // stands for all partitions, for batches across them
	park      lane.Limit
	opened    []any // sinks, to be closed; Run's goroutine's own
	writers   *writers
	wg        conc.WaitGroup
	events    []func(Event)
	listeners []listener
	greeters  []listener   // those of them that have a Begin
	attempts  uint16       // the bits of those that hear of attempts
	always    uint16       // and of those of them that have no Begin
	timed     bool         // failures say how long their attempt took
	parked    atomic.Int64 // waiting retries
	stirs     atomic.Int64 // how often tasks went to the workers; kept where counts is
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

	state    atomic.Uint32
	mu       sync.Mutex // guards what follows
	parts    map[TopicPartition]*part
	list     []*part
	faded    []*part // let go, with work below a commit still to finish
	epochs   map[TopicPartition]int32
	failure  error
	left     []string // what was left unfinished, for the error
	leftN    int
	online   error
	troubles map[TopicPartition]Trouble
	deadline time.Time     // of the drain
	dry      chan struct{} // closed when everything that keeps elements was emptied
	dried    bool
}

const (
	draining  uint32 = 1 << iota // nothing new is begun
	shut                         // and nothing comes in any more
	finishing                    // the source has no more: everything is finished
	over                         // Run is about to return
)

var errConnecting = errors.New("the source has not connected yet")

func newRun(ctx context.Context, p *plan, src feeder, opts *options) *run {
	r := &run{plan: p, opts: opts, src: src, steps: map[*node]*step{}, parts: map[TopicPartition]*part{}, epochs: map[TopicPartition]int32{},
		writers: newWriters(p), online: errConnecting, troubles: map[TopicPartition]Trouble{}, workers: map[*lane.Worker]*worker{}, dry: make(chan struct{})}
	r.park.Max = int32(opts.park)
	r.workCtx, r.cancelWork = context.WithCancelCause(context.WithoutCancel(ctx))
	r.commitCtx, r.stopCommit = context.WithCancel(context.WithoutCancel(ctx))
	r.crippled, r.cripple = context.WithCancel(context.WithoutCancel(ctx))
	r.listen()
	if p.commit != nil && p.commit.transact == nil {
		r.committer = newCommitter(r, p.commit)
	}
	r.finish = func(_ *worker, rec *record) { rec.done() }
	if p.commit != nil && p.commit.kind == kindCommit && p.commit.each && !p.gated {
		r.finish = r.finishEach
	}
	r.makeSteps()
	if p.commit != nil && p.commit.transact != nil {
		if r.tx = newTransactions(r, p.commit); p.commit.each {
			r.finish = r.tx.hold
		}
	}
	r.forgets = !p.gated && r.tx == nil
	r.makeStages()
	r.whole = r.newPart(Assignment{Committed: -1}, 0)
	return r
}

func (r *run) makeSteps() {
	for _, n := range r.plan.nodes {
		sp := r.plan.steps[n]
		if sp == nil {
			continue
		}
		st := &step{run: r, node: n, name: sp.name, group: sp.group, policies: sp.policies, timeout: n.opts.timeout, handler: wrap(n.opts.use), state: len(r.steps)}
		st.bare = st.timeout == 0 && st.handler == nil
		if n.kind == kindThrottle {
			st.limiter = newLimiter(n)
		}
		switch n.kind {
		case kindBatch:
			r.batches = append(r.batches, st)
			r.holders = append(r.holders, st)
		case kindTransform:
			r.holders = append(r.holders, st)
		}
		r.steps[n] = st
	}
	r.counts = len(r.holders) > 0
}

func (r *run) makeStages() {
	for i, sp := range r.plan.stages {
		sg := &stage{run: r, index: i, plan: sp, group: sp.group, lanes: sp.lanes, open: sp.first.opener(), greets: i == 0 && len(r.greeters) > 0}
		if i == 0 {
			sg.open = r.src.opener()
		}
		cfg := lane.Config{Slots: sp.slots, Count: sp.fanned, Go: r.spawn, Idle: r.idle, Park: &r.park, One: sg.one}
		if d := sp.degree; d != nil {
			cfg.MaxPartitions = d.opts.maxPartitions
		}
		if sp.head != nil {
			cfg.Bulk, cfg.Work = writeAtOnce, sg.bulk
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
		if e := sg.plan.exit; e != nil && e.kind == kindTransform {
			sg.doorway = e.door(r.steps[e], r.stages[i+1])
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

func (r *run) setOnline(err error) {
	r.mu.Lock()
	r.online = err
	r.mu.Unlock()
}

// noteLost remembers a record that was committed and could not be finished.
func (r *run) noteLost(m Meta) {
	r.note(fmt.Sprintf("%v (committed already: it is lost)", m))
}

const notesMax = 8

func (r *run) note(what string) {
	r.mu.Lock()
	if r.leftN++; len(r.left) < notesMax {
		r.left = append(r.left, what)
	}
	r.mu.Unlock()
}

// all is the assigned partitions. The slice is not changed afterwards.
func (r *run) all() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// finishEach is the end of a chain with CommitEach: the element that moves the watermark holds its lane until that is committed.
func (r *run) finishEach(w *worker, rec *record) {
	last := map[*part]int64{}
	if rec.joint == nil {
		p, offset := rec.part, rec.offset()
		rec.done()
		r.awaitCommit(w, p, offset)
		return
	}
	rec.leaves(func(l *record) bool {
		last[l.part] = max(last[l.part], l.offset())
		return true
	})
	rec.done()
	for p, offset := range last {
		r.awaitCommit(w, p, offset)
	}
}

func (r *run) awaitCommit(w *worker, p *part, offset int64) {
	mark := p.led.Watermark()
	if mark <= offset {
		return // something before it is unfinished: that will move the watermark over it
	}
	r.committer.look()
	if ch := p.ackOf(mark); ch != nil {
		w.lend(func() {
			select {
			case <-ch:
			case <-p.ctx.Done():
			}
		})
	}
}

func (r *run) setStop(source context.Context, stop context.CancelCauseFunc) {
	r.mu.Lock()
	r.sourceCtx, r.stopSource = source, stop
	r.mu.Unlock()
}
