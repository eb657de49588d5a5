package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/resume"
)

// limits is the options of a run.
type limits struct {
	records    int          // in flight, per partition
	ahead      int64        // span of offsets above the watermark, per partition
	bytes      int64        // in flight, over all partitions
	build      resume.Build // of this program; zero if unknown
	drain      time.Duration
	maxWaiting int
	hooks      []hooks
}

// run is one execution of a plan, from the first assignment to the last commit. It owns every
// goroutine and waits for all of them, except for a handler that ignores its cancelled context. For
// the order of its locks see ARCHITECTURE.md.
type run struct {
	*executor

	opts    *limits
	inlets  []*inlet
	commits commits
	opened  []any // sinks to close; only the goroutine of Run uses it
	wg      conc.WaitGroup
	stuck   atomic.Bool // a handler has not returned within handlerGrace

	workCtx    context.Context // of handlers; cancelled at the drain's deadline
	cancelWork context.CancelCauseFunc
	commitCtx  context.Context // of commits outside a drain
	stopCommit context.CancelFunc
	broken     context.Context // cancelled when a goroutine of the run ended in the middle of its work
	markBroken context.CancelFunc
	sourceCtx  context.Context // of the source; cancelled when the drain starts
	stopSource context.CancelCauseFunc
	draining   sync.Once // beginDrain

	reached   atomic.Uint32            // a phase
	closeMu   sync.Mutex               // guards writes of closing; held while the end of a halt is asked for
	closing   atomic.Bool              // nothing returns to the first stage anymore: see closeFirst
	mu        sync.Mutex               // guards the fields below
	parts     map[TopicPartition]*part // the newest of each
	list      []*part
	spent     []*part // of list: those of exhausted sources
	tails     []*part // of released partitions
	epochs    map[TopicPartition]int32
	failure   error
	left      leftovers
	troubles  map[TopicPartition]Trouble
	deadline  time.Time     // of the drain
	flushed   chan struct{} // closed when all holders are empty for good
	isFlushed bool
}

// phase is how far a run has come. It never goes back.
type phase uint32

const (
	working   phase = iota
	finishing       // the source is exhausted: fed records finish
	stopping        // the pipeline drains: no new record is started
	shut            // the pipeline drains and no more records are accepted
)

func (r *run) phase() phase { return phase(r.reached.Load()) }

// enter moves the run forward to a phase.
func (r *run) enter(ph phase) {
	for {
		now := r.reached.Load()
		if now >= uint32(ph) || r.reached.CompareAndSwap(now, uint32(ph)) {
			return
		}
	}
}

func newRun(ctx context.Context, p *plan, srcs []feeder, opts *limits, commits func(*run) commits) *run {
	r := &run{opts: opts, parts: map[TopicPartition]*part{}, epochs: map[TopicPartition]int32{},
		troubles: map[TopicPartition]Trouble{}, flushed: make(chan struct{})}
	r.workCtx, r.cancelWork = context.WithCancelCause(context.WithoutCancel(ctx))
	r.commitCtx, r.stopCommit = context.WithCancel(context.WithoutCancel(ctx))
	r.broken, r.markBroken = context.WithCancel(context.WithoutCancel(ctx))
	r.executor = newExecutor(r, p, opts.records, opts.maxWaiting, opts.hooks)
	for i, src := range srcs {
		in := newInlet(r, i, src, p.sources[i].id)
		in.first = r.entries[i]
		r.inlets = append(r.inlets, in)
	}
	r.commits = commits(r)
	r.finish = r.commits.finish()
	return r
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

// part returns an assigned partition, or nil.
func (r *run) part(tp TopicPartition) *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.parts[tp]; p != nil && !p.status().isReleased() {
		return p
	}
	return nil
}

// assignedSince reports whether a lost partition was assigned again.
func (r *run) assignedSince(p *part) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epochs[p.tp] > p.epoch
}

// setStop sets the source's context and its cancel func.
func (r *run) setStop(source context.Context, stop context.CancelCauseFunc) {
	r.mu.Lock()
	r.sourceCtx, r.stopSource = source, stop
	r.mu.Unlock()
}

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

// call calls a method of a source or a transactor that returns no error. A panic of it ends the
// pipeline.
func (r *run) call(what string, f func()) {
	if err := guarded(func() error { f(); return nil }); err != nil {
		r.fail(fmt.Errorf("the %s: %w", what, err))
	}
}

var errEnded = errors.New("a handler ended its goroutine (runtime.Goexit, or t.FailNow outside the test's own): return an error instead [LW217]")
