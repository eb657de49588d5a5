package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pipeline is a built plan that can run, be watched and be operated. Its methods may be called at
// any time, from any goroutine.
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

// Build checks the chain and the options and returns a Pipeline. It connects to nothing. A wrong
// chain is refused with every fault at once, each a *BuildError that says what is wrong, where, and
// what to do.
func (s Stream[T]) Build(opts ...Option) (*Pipeline, error) {
	if s.n == nil {
		return nil, &BuildError{What: "the Stream is a zero value", Fix: "begin the chain with a source"}
	}
	o := options{limits: limits{build: revision(), records: 4096, ahead: 1_000_000, bytes: 64 << 20, drain: 25 * time.Second, maxWaiting: 1024}}
	for _, opt := range opts {
		if opt == nil {
			o.faults = append(o.faults, &BuildError{What: "an Option is nil", Fix: "leave it out"})
			continue
		}
		opt.option(&o)
	}
	first := s.n.chain()[0]
	from, ok := first.op.(sourced)
	if !ok {
		return nil, &BuildError{first.label(), "the Stream above it is a zero value", "begin the chain with a source"}
	}
	if !o.observed {
		o.observers = []Observer{unobserved()}
	}
	src, err := from.open(o.replacement)
	if err != nil {
		return nil, err
	}
	info := src.info()
	if err := check(s.n, info, o.every, o.known()); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	p := &Pipeline{plan: cut(s.n), opts: o, info: info, fresh: src}
	p.plan.dress(o.every)
	if p.plan.name = o.name; p.plan.name == "" {
		p.plan.name = info.Name
	}
	if err := p.attach(); err != nil {
		return nil, fmt.Errorf("this pipeline cannot be built:\n%w", err)
	}
	return p, nil
}

// Describe returns the pipeline's topology.
func (p *Pipeline) Describe() Topology { return p.plan.topology(p.info, p.opts.ahead) }

// attach gives the observers their pipeline.
func (p *Pipeline) attach() (err error) {
	for i, o := range p.opts.observers {
		if o.Attach == nil {
			continue
		}
		var mine Observer
		if bad := guarded(func() (e error) { mine, e = o.Attach(p); return e }); bad != nil {
			err = errors.Join(err, &BuildError{What: fmt.Sprintf("an observer does not observe it: %v", bad), Fix: "mend that, or leave the observer out"})
		}
		p.opts.observers[i] = mine
	}
	for _, o := range p.opts.observers {
		p.opts.ears = append(p.opts.ears, o.ear())
	}
	return err
}

// Run builds the chain and runs it until ctx ends, its source has no more, or it fails.
func (s Stream[T]) Run(ctx context.Context, opts ...Option) error {
	p, err := s.Build(opts...)
	if err := errors.Join(err, nilContext(ctx)); err != nil {
		return err
	}
	return p.Run(ctx)
}

// nilContext refuses a nil context, which would end in a panic far away.
func nilContext(ctx context.Context) error {
	if ctx == nil {
		return &BuildError{"Run", "the context is nil", "pass context.Background(), or one that ends when the worker is to stop"}
	}
	return nil
}

// Run runs the pipeline. When ctx ends it drains: nothing more is begun, but for records that lie
// before one that has begun, which would be done twice otherwise; what has begun finishes, batches
// and sinks are flushed, everything finished is committed, and Run returns nil. Handlers' contexts
// are cancelled only when DrainTimeout has passed; what is unfinished then stays uncommitted, and
// Run returns an error that names it and matches ErrDrain; so does what is finished and cannot be
// committed. A handler that ignores its cancelled context gets a second more and is then left
// running, named in the error. A failure that no policy takes ends Run with a *StepError. One Run
// at a time.
func (p *Pipeline) Run(ctx context.Context) error {
	if err := nilContext(ctx); err != nil {
		return err
	}
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
	// only middleware is the user's there
	if err := guarded(func() error { r = newRun(ctx, p.plan, src, &p.opts.limits, newCommits); return nil }); err != nil {
		return nil, &BuildError{What: fmt.Sprintf("a middleware given to Use panicked when it was given its next handler: %v", err), Fix: "return the handler around next"}
	}
	p.run = r
	return r, nil
}
