package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pipeline is a built plan that can run, be watched and be operated. Its methods may be called at any time, from any goroutine.
type Pipeline struct {
	plan *plan
	opts options
	info SourceInfo

	mu    sync.Mutex // guards what follows
	fresh feeder     // made by Build, for the first Run
	run   *run       // nil: not running
	ended error      // what the last Run returned
	ran   bool
}

// Build checks the chain and the options and returns a Pipeline. It connects to nothing. A wrong chain is refused with every fault at once, each a
// *BuildError that says what is wrong, where, and what to do.
func (s Stream[T]) Build(opts ...Option) (*Pipeline, error) {
	if s.n == nil {
		return nil, &BuildError{What: "the Stream is a zero value", Do: "begin the chain with a source"}
	}
	o := options{records: 4096, bytes: 64 << 20, drain: 25 * time.Second, park: 1024}
	for _, opt := range opts {
		if opt == nil {
			o.faults = append(o.faults, &BuildError{What: "an Option is nil", Do: "leave it out"})
			continue
		}
		opt.option(&o)
	}
	src, err := s.n.chain()[0].op.(sourced).open(o.replacement)
	if err != nil {
		return nil, err
	}
	info := src.info()
	if err := check(s.n, info, o.known()); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	p := &Pipeline{plan: cut(s.n), opts: o, info: info, fresh: src}
	if p.plan.name = o.name; p.plan.name == "" {
		p.plan.name = info.Name
	}
	if err := p.attach(); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	return p, nil
}

// attach gives the observers their pipeline.
func (p *Pipeline) attach() (err error) {
	for i, o := range p.opts.observers {
		if o.Attach == nil {
			continue
		}
		var mine Observer
		if bad := guarded(func() (e error) { mine, e = o.Attach(p); return e }); bad != nil {
			err = errors.Join(err, &BuildError{What: fmt.Sprintf("an observer does not observe it: %v", bad), Do: "mend that, or leave the observer out"})
		}
		p.opts.observers[i] = mine
	}
	return err
}

// Run builds the chain and runs it until ctx ends, its source has no more, or it fails.
func (s Stream[T]) Run(ctx context.Context, opts ...Option) error {
	p, err := s.Build(opts...)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// Run runs the pipeline. When ctx ends it drains: nothing more is begun, but for records that lie before one that has begun, which would be done twice
// otherwise; what has begun finishes, batches and sinks are flushed, everything finished is committed, and Run returns nil. Handlers' contexts are cancelled only when DrainTimeout has passed; what is unfinished then stays
// uncommitted, and Run returns an error that names it and matches ErrDrain. A handler that ignores its cancelled context gets a second more and is then
// left running, named in the error. A failure that no policy takes ends Run with a *StepError. One Run at a time.
func (p *Pipeline) Run(ctx context.Context) error {
	r, err := p.begin(ctx)
	if err != nil {
		return err
	}
	err = errPanicked
	defer func() { // also where a bug of this package panics: Run can be called again
		p.mu.Lock()
		p.run, p.ended, p.ran = nil, err, true
		p.mu.Unlock()
	}()
	err = r.do(ctx)
	return err
}

var errPanicked = errors.New("Run has panicked")

func (p *Pipeline) begin(ctx context.Context) (*run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil {
		return nil, errors.New("the pipeline is running already: Build another one to run the chain twice at a time")
	}
	src := p.fresh
	p.fresh = nil
	if src == nil {
		var err error
		if src, err = p.plan.nodes[0].op.(sourced).open(p.opts.replacement); err != nil {
			return nil, err
		}
	}
	var r *run
	if err := guarded(func() error { r = newRun(ctx, p.plan, src, &p.opts); return nil }); err != nil { // only middleware is the user's there
		return nil, &BuildError{What: fmt.Sprintf("a middleware given to Use panicked when it was given its next handler: %v", err), Do: "return the handler around next"}
	}
	p.run = r
	return r, nil
}

// do is a run from beginning to end.
func (r *run) do(ctx context.Context) error {
	srcCtx, stop := context.WithCancelCause(ctx)
	r.setStop(srcCtx, stop)
	defer stop(nil)
	err := r.openSinks(ctx)
	if err == nil {
		err = r.work(srcCtx)
	}
	err = r.close(err)
	r.emit(Drained{err})
	return err
}

// work runs the source and everything below it until all is finished or given up.
func (r *run) work(ctx context.Context) error {
	r.overruns.start()
	r.commits.start()
	for _, sg := range r.stages {
		if d := sg.doorway; d != nil {
			r.spawn(d.relay)
			r.spawn(func() { d.work(r.workCtx) })
			r.spawn(func() {
				d.pump()
				d.through()
				r.settleAll()
			})
		}
	}
	ended := make(chan error, 1)
	r.spawn(func() {
		err := errEnded
		defer func() { ended <- err }()
		err = r.src.start(ctx, r)
	})
	var err error
	select {
	case err = <-ended:
		if err == nil && ctx.Err() == nil {
			return r.finishAll(ctx)
		}
		if ctx.Err() == nil {
			r.drain(err)
		} else {
			r.drain(context.Cause(ctx))
		}
	case <-ctx.Done():
		r.drain(context.Cause(ctx))
		select {
		case err = <-ended:
		case <-r.pastDrain():
			err = fmt.Errorf("the source %s did not end: %w", r.plan.name, ErrDrain)
		}
	}
	r.revoke(context.Background(), r.all()) // what the source left
	r.finishTails()
	return err
}

// drain begins the end: nothing new is begun. Who comes first does it: the run, or the source that revokes what it has because its context has ended.
func (r *run) drain(cause error) {
	r.draining.Do(func() { r.beginDrain(cause) })
}

func (r *run) beginDrain(cause error) {
	r.mu.Lock()
	r.deadline = time.Now().Add(r.opts.drain)
	r.mu.Unlock()
	r.enter(stopping)
	ps := r.all()
	for _, p := range ps {
		p.shut()
	}
	r.enter(shut)
	r.settleAll()
	r.emit(Draining{cause})
}

// pastDrain is closed, or sent to, when a source should have returned long ago.
func (r *run) pastDrain() <-chan time.Time {
	return time.After(r.opts.drain + handlerGrace + 2*commitTime)
}

// finishAll finishes what a source that has no more was fed; a drain may cut in.
func (r *run) finishAll(ctx context.Context) error {
	r.enter(finishing)
	ps := r.all()
	r.settleAll()
	if !r.await(ctx, ps, (*part).calm) || r.commits.now(ctx, ps) != nil || !r.await(ctx, tailsOf(ps), (*part).finished) {
		if ctx.Err() != nil {
			r.drain(context.Cause(ctx))
		}
	}
	halted := r.halts()
	r.revoke(context.Background(), ps)
	r.finishTails()
	if len(halted) > 0 && ctx.Err() == nil {
		return fmt.Errorf("the source has no more, and records were left behind: %v", halted[0])
	}
	return nil
}
