package stream_test

import (
	"context"
	"slices"
	"sync"
	"time"
)

// work is a handler that does what the test wants, and remembers what it was given.
type work struct {
	mu      sync.Mutex
	fails   map[string][]error // what the next attempts at a value return
	always  map[string]error   // what each attempt at a value returns
	holds   map[string]chan struct{}
	deaf    bool // holds do not heed the context
	takes   time.Duration
	started []string
	ended   []string // those that succeeded
	running map[string]bool
	most    int
	causes  []error
}

func newWork() *work {
	return &work{fails: map[string][]error{}, always: map[string]error{}, holds: map[string]chan struct{}{}, running: map[string]bool{}}
}

// fail makes the next attempts at v fail.
func (w *work) fail(v string, errs ...error) *work {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[v] = append(w.fails[v], errs...)
	return w
}

// poison makes every attempt at v fail; a nil error fixes it.
func (w *work) poison(v string, err error) *work {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.always[v] = err
	return w
}

// hold makes the work at v wait until the returned func is called, or its context ends.
func (w *work) hold(v string) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan struct{})
	w.holds[v] = ch
	return sync.OnceFunc(func() { close(ch) })
}

// unhold has the work at v no longer wait.
func (w *work) unhold(v string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.holds, v)
}

func (w *work) do(ctx context.Context, v string) error {
	w.mu.Lock()
	w.started = append(w.started, v)
	w.running[v] = true
	w.most = max(w.most, len(w.running))
	hold, deaf, takes := w.holds[v], w.deaf, w.takes
	w.mu.Unlock()
	if hold != nil {
		done := ctx.Done()
		if deaf {
			done = nil
		}
		select {
		case <-hold:
		case <-done:
		}
	}
	if takes > 0 {
		time.Sleep(takes)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, v)
	if err := ctx.Err(); err != nil {
		w.causes = append(w.causes, context.Cause(ctx))
		return err
	}
	if err := w.always[v]; err != nil {
		return err
	}
	if fs := w.fails[v]; len(fs) > 0 {
		w.fails[v] = fs[1:]
		if fs[0] != nil {
			return fs[0]
		}
	}
	w.ended = append(w.ended, v)
	return nil
}

// echo is do for a step with a result.
func (w *work) echo(ctx context.Context, v string) (string, error) { return v, w.do(ctx, v) }

// tried is what was started, attempt by attempt.
func (w *work) tried() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.started)
}

// triesOf counts the attempts at v.
func (w *work) triesOf(v string) (n int) {
	for _, t := range w.tried() {
		if t == v {
			n++
		}
	}
	return n
}

// done is what succeeded, in that order.
func (w *work) done() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ended)
}

// doneOf is what succeeded of a key.
func (w *work) doneOf(key string) (vs []string) {
	for _, v := range w.done() {
		if v[:1] == key {
			vs = append(vs, v)
		}
	}
	return vs
}

func (w *work) peak() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

// now is what is being worked on, sorted.
func (w *work) now() (vs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v := range w.running {
		vs = append(vs, v)
	}
	slices.Sort(vs)
	return vs
}

// release ends all holds.
func (w *work) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v, ch := range w.holds {
		close(ch)
		delete(w.holds, v)
	}
}
