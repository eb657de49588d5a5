package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Pipeline is a built plan that can be run, watched and operated. Its methods are safe for
// concurrent use at any time.
type Pipeline struct {
	plan *plan
	opts options
	info SourceInfo

	mu    sync.Mutex // guards the fields below
	fresh []feeder   // the sources, made by Build for the first Run
	run   *run       // nil: not running
	ended error      // what the last Run returned
	ran   bool
}

// Build checks the chain and its options and returns a Pipeline. It connects to nothing. The error
// of a wrong chain holds every fault, each a *BuildError that says what is wrong, where, and how to
// fix it.
func (s Stream[T]) Build(opts ...Option) (*Pipeline, error) {
	if s.n == nil {
		return nil, &BuildError{Code: faultChain, What: "the Stream is a zero value", Fix: "start the chain with a source"}
	}
	o := options{limits: limits{build: revision(), records: 4096, ahead: 1_000_000, bytes: 64 << 20, drain: 25 * time.Second, maxWaiting: 1024}}
	for _, opt := range opts {
		if opt == nil {
			o.faults = append(o.faults, &BuildError{Code: faultNil, What: "an Option is nil", Fix: "leave it out"})
			continue
		}
		opt.option(&o)
	}
	made := map[*node]feeder{}
	from, faults := sources(s.n, o.replaced, func(n *node) (SourceInfo, error) {
		src, err := n.op.(sourced).open(nil)
		if err != nil {
			return SourceInfo{}, err
		}
		made[n] = src
		return infoOf(src)
	})
	if !o.observed {
		o.observers = []Observer{unobserved()}
	}
	srcs, err := openSources(from, made)
	infos, mute := infosOf(from, srcs)
	info := together(infos)
	if err := check(s.n, info, o.every, slices.Concat(o.known(), faults, []error{err, mute})); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	p := &Pipeline{plan: newPlan(s.n, from), opts: o, info: info, fresh: srcs}
	if err := p.plan.checkParks(info, o.ahead); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	p.plan.dress(o.every)
	if p.plan.name = o.name; p.plan.name == "" {
		p.plan.name = info.Name
	}
	if err := p.attach(); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	return p, nil
}

// Describe returns the pipeline's topology. While it runs, the topology tells what SetDegree and
// SetRate have changed.
func (p *Pipeline) Describe() Topology {
	t := p.plan.topology(p.info, p.opts.records, p.opts.ahead)
	if r := p.current(); r != nil {
		r.describeSettings(&t)
	}
	return t
}

// attach lets each observer attach to the pipeline.
func (p *Pipeline) attach() (err error) {
	for i, o := range p.opts.observers {
		mine, bad := o.attached(p)
		if bad != nil {
			err = errors.Join(err, &BuildError{Code: faultObserver, What: bad.Error(), Fix: "fix the cause, or leave the observer out"})
		}
		p.opts.observers[i] = mine
	}
	for _, o := range p.opts.observers {
		p.opts.hooks = append(p.opts.hooks, o.hooks())
	}
	return err
}

// Run builds the chain and runs it until ctx ends, the source is exhausted, or the pipeline fails.
// See Pipeline.Run.
func (s Stream[T]) Run(ctx context.Context, opts ...Option) error {
	p, err := s.Build(opts...)
	if err := errors.Join(err, nilContext(ctx)); err != nil {
		return err
	}
	return p.Run(ctx)
}

// nilContext refuses a nil context, which would panic far away from the mistake.
func nilContext(ctx context.Context) error {
	if ctx == nil {
		return &BuildError{"Run", "the context is nil", "pass context.Background(), or a context that ends when the worker should stop", faultNil}
	}
	return nil
}

// Run runs the pipeline until ctx ends, its source is exhausted, or it fails. Only one Run at a
// time is allowed; afterwards Run may be called again.
//
// When ctx ends, the pipeline drains and Run returns nil. No new record is started; started ones
// may finish. Batches and sinks are flushed, and everything that is finished is committed. Where no
// resume state is stored (see Describe), and with KeepOrder, CommitBefore and CommitWith, queued
// records below the last started one are started too, or those finished above them would be
// reprocessed.
//
// After DrainTimeout the contexts of handlers are cancelled. Unfinished records stay uncommitted,
// and Run returns an error that names them and matches ErrDrain, as it does for finished records
// that cannot be committed. A handler that ignores its cancelled context gets another second; then
// Run leaves it running and names it in the error. A failure that no policy takes ends Run with a
// *StepError.
func (p *Pipeline) Run(ctx context.Context) error {
	if err := nilContext(ctx); err != nil {
		return err
	}
	r, err := p.begin(ctx)
	if err != nil {
		return err
	}
	err = errPanicked
	defer func() { // also after a panic of this package, so that Run can be called again
		p.mu.Lock()
		p.run, p.ended, p.ran = nil, err, true
		p.mu.Unlock()
	}()
	err = r.do(ctx)
	return err
}

var errPanicked = errors.New("Run panicked [LW225]")

func (p *Pipeline) begin(ctx context.Context) (*run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil {
		return nil, errors.New("the pipeline is already running: to run the chain twice at a time, Build another pipeline [LW213]")
	}
	srcs := p.fresh
	p.fresh = nil
	if srcs == nil {
		var err error
		if srcs, err = openSources(p.plan.sources, nil); err != nil {
			return nil, err
		}
	}
	var r *run
	// newRun calls user code: middleware, and methods of sources and of the transactor
	if err := guarded(func() error { r = newRun(ctx, p.plan, srcs, &p.opts.limits, newCommits); return nil }); err != nil {
		return nil, &BuildError{Code: faultMiddleware, What: fmt.Sprintf("a middleware passed to Use panicked when it wrapped its handler, or a method of a source or a transactor that tells of it: %v", err),
			Fix: "see the stack (PanicError.Stack); a middleware does nothing there but return a handler that calls next"}
	}
	p.run = r
	return r, nil
}
