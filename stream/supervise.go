package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sourcegraph/conc"
)

// Supervisor runs pipelines side by side as one process: see Supervise.
type Supervisor struct {
	pipelines []*Pipeline
	serves    bool
	addr      string
	metrics   http.Handler
	stuck     stuckAfter
	admin     Admin // nil: none
	process   process

	once  sync.Once
	bound chan struct{} // closed once at and deaf are set
	at    net.Addr
	deaf  error
}

// process is what a Supervisor needs of its process.
type process struct {
	notify func(chan<- os.Signal) (stop func())
	exit   func(code int)
	listen func(network, addr string) (net.Listener, error)
}

// interrupted is the exit code after a second signal, as shells use it for Ctrl-C.
const interrupted = 130

// Supervise makes one process of several pipelines. Run runs them side by side and turns SIGINT or
// SIGTERM into one drain of all. A second signal ends the process at once, with exit code 130. The
// first pipeline that fails drains the others. With Serve it answers the probes of Kubernetes.
func Supervise(p ...*Pipeline) *Supervisor {
	return &Supervisor{pipelines: p, bound: make(chan struct{}), process: process{
		notify: func(c chan<- os.Signal) func() {
			signal.Notify(c, os.Interrupt, syscall.SIGTERM)
			return func() { signal.Stop(c) }
		},
		exit:   os.Exit,
		listen: net.Listen,
	}}
}

// Serve answers HTTP at addr, from before the sources connect until the last pipeline has ended.
// addr is host:port; port 0 takes a free port, which Addr returns.
//
//   - /livez: 200 unless a restart of the process would help. A halt, an outage or a drain is no
//     reason to restart. See StuckAfter.
//   - /readyz: 200 if every pipeline is ready (see Pipeline.Ready), else 503. 503 during a drain. A
//     pipeline whose source is exhausted counts as ready. The body is JSON: each pipeline and its
//     partitions, as in Snapshot, and why a pipeline is not ready.
//   - /metrics: the given handler; with nil there is no such path.
//
// If addr cannot be bound, or the server ends early, the supervisor fails as if a pipeline had
// failed.
func (s *Supervisor) Serve(addr string, metrics http.Handler) *Supervisor {
	s.serves, s.addr, s.metrics = true, addr, metrics
	return s
}

// Addr waits until Run listens for Serve, and returns the address, or the reason why there is none.
func (s *Supervisor) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-s.bound:
		return s.at, s.deaf
	case <-ctx.Done():
		return nil, fmt.Errorf("the supervisor does not listen yet [LW228]: %w", context.Cause(ctx))
	}
}

// Run runs the pipelines until ctx ends, a signal arrives, one of them fails, or all have ended. It
// returns once all have drained and the server has stopped. The error joins all failures, the first
// one first; nil if there was none. A Supervisor runs once.
func (s *Supervisor) Run(ctx context.Context) error {
	first := false
	s.once.Do(func() { first = true })
	if !first {
		return &BuildError{Code: faultSupervise, What: "a Supervisor runs once", Fix: "call Supervise again, the pipelines may be the same"}
	}
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	ctx, drain := context.WithCancelCause(ctx)
	defer drain(nil)
	w := &watch{Supervisor: s, draining: ctx, drain: drain, ended: make([]bool, len(s.pipelines))}

	serve, err := w.invite(l)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	var around conc.WaitGroup // goroutines that outlast the pipelines
	defer around.Wait()
	defer close(stop)
	if serve != nil {
		hosted, leave := context.WithCancel(context.WithoutCancel(ctx))
		defer leave()
		around.Go(func() { w.host(hosted, serve) })
	}
	signals := make(chan os.Signal, 2)
	defer s.process.notify(signals)()
	around.Go(func() { w.heed(signals, stop) })
	if l != nil {
		server := w.server()
		around.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				w.fail(fmt.Errorf("serving %s: %w", s.addr, err))
			}
		})
		defer closeServer(server)
	}
	var all conc.WaitGroup
	for i, p := range s.pipelines {
		all.Go(func() { w.run(ctx, i, p) })
	}
	all.Wait()
	return w.failures()
}

// listen checks the arguments of Supervise and binds the address.
func (s *Supervisor) listen(ctx context.Context) (net.Listener, error) {
	defer close(s.bound)
	s.deaf = errors.New("Serve was not asked for [LW228]")
	err := errors.Join(nilContext(ctx), s.faults())
	if !s.serves || err != nil {
		s.deaf = errors.Join(err, s.deaf)
		return nil, err
	}
	l, err := s.process.listen("tcp", s.addr)
	if err != nil {
		s.deaf = fmt.Errorf("Serve(%q): %w", s.addr, err)
		return nil, s.deaf
	}
	s.at, s.deaf = l.Addr(), nil
	return l, nil
}

func (s *Supervisor) faults() (err error) {
	if len(s.pipelines) == 0 {
		err = &BuildError{Code: faultSupervise, What: "Supervise has no pipeline", Fix: "pass the pipelines that Build returned"}
	}
	seen := map[*Pipeline]bool{}
	for i, p := range s.pipelines {
		switch {
		case p == nil:
			err = errors.Join(err, &BuildError{Code: faultSupervise, What: fmt.Sprintf("pipeline %d of Supervise is nil", i+1), Fix: "check the error that Build returned"})
		case seen[p]:
			err = errors.Join(err, &BuildError{Code: faultSupervise, What: fmt.Sprintf("pipeline %s is given to Supervise twice", p.plan.name), Fix: "Build another one to run the chain twice"})
		}
		seen[p] = true
	}
	return errors.Join(err, s.stuck.fault())
}

// watch is one Run of a Supervisor.
type watch struct {
	*Supervisor
	draining context.Context // ends when the drain begins; it is the pipelines' context
	drain    context.CancelCauseFunc

	mu    sync.Mutex // guards the fields below
	errs  []error    // the first failure first
	ended []bool     // which pipelines have ended
}

// run runs one pipeline. Its failure, or a panic of this package, drains the others.
func (w *watch) run(ctx context.Context, i int, p *Pipeline) {
	err := errPanicked
	defer func() {
		if err != nil {
			w.fail(fmt.Errorf("pipeline %s: %w", p.plan.name, err))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended[i] = true
	}()
	err = p.Run(ctx)
}

func (w *watch) fail(err error) {
	w.mu.Lock()
	w.errs = append(w.errs, err)
	w.mu.Unlock()
	w.drain(err)
}

func (w *watch) failures() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.errs...)
}

// heed turns the first signal into a drain and the second into an exit.
func (w *watch) heed(signals <-chan os.Signal, stop <-chan struct{}) {
	for second := false; ; second = true {
		select {
		case sig := <-signals:
			if second {
				w.process.exit(interrupted)
			}
			w.drain(fmt.Errorf("the process received the signal %v [LW229]", sig))
		case <-stop:
			return
		}
	}
}
