package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/ledger"
)

// close stops all that still runs, closes the sinks and returns the errors of the run.
func (r *run) close(err error) error {
	r.commits.stop()
	r.overruns.stop()
	r.stopCommit()
	for _, sg := range r.stages {
		if sg.transform != nil {
			sg.transform.shut()
		}
	}
	for _, sg := range r.stages {
		sg.pool.Close()
	}
	r.cancelWork(errors.New("the pipeline has ended [LW230]"))
	r.noteTails(!r.waitForGoroutines())
	err = errors.Join(r.cause(), err, r.closeSinks(), r.leftBehind())
	return err
}

// stuckGrace replaces handlerGrace when a handler is known not to return.
const stuckGrace = 100 * time.Millisecond

// waitForGoroutines waits for the goroutines of the run. It returns false if handlers that ignore
// their cancelled context are left running.
func (r *run) waitForGoroutines() bool {
	var watch conc.WaitGroup
	done := make(chan struct{})
	watch.Go(func() {
		defer close(done)
		r.wg.Wait()
	})
	grace := handlerGrace
	if r.stuck.Load() {
		grace = stuckGrace // the handlers had their grace in the drain
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		watch.Wait() // re-raises a panic of a goroutine
		return true
	case <-timer.C:
		r.noteRunning()
		return false
	}
}

func (r *run) cause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// openSinks opens the sinks in chain order. After a failure, closeSinks closes those that were
// opened.
func (r *run) openSinks(ctx context.Context) error {
	for _, s := range r.plan.sinks() {
		if s, ok := s.(TopicReader); ok {
			if err := guarded(func() error { s.Reads(r.topics()); return nil }); err != nil {
				return fmt.Errorf("opening sink %T: Reads: %w", s, err)
			}
		}
		o, ok := s.(Opener)
		if !ok {
			r.opened = append(r.opened, s)
			continue
		}
		c, cancel := context.WithTimeout(context.WithValue(ctx, emitterKey{}, r.emit), sinkTime)
		err := guarded(func() error { return o.Open(c) })
		cancel()
		if err != nil {
			return fmt.Errorf("opening sink %T: %w", s, err)
		}
		r.opened = append(r.opened, s)
	}
	return nil
}

func (r *run) closeSinks() (err error) {
	for _, s := range r.opened {
		c, ok := s.(Closer)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), sinkTime)
		if e := guarded(func() error { return c.Close(ctx) }); e != nil {
			err = errors.Join(err, fmt.Errorf("closing sink %T: %w", s, e))
		}
		cancel()
	}
	return err
}

// noteHeld notes the records in work that a drain cancels at its deadline.
func (left *leftovers) noteHeld(p *part, named map[*ledger.Ticket]bool) {
	for s, i := range p.led.Unfinished {
		if t := &s.Tickets[i]; t.Held() && !named[t] {
			if m, ok := s.Payload.(values).meta(int32(i)); ok {
				left.add(m.String())
			}
		}
	}
}

// noteLeaks notes the elements that a Transform never ended, each once, and abandons them. It
// returns their tickets.
func (r *run) noteLeaks() map[*ledger.Ticket]bool {
	named := map[*ledger.Ticket]bool{}
	for _, sg := range r.stages {
		d := sg.transform
		if d == nil || !d.isThrough() {
			continue
		}
		for _, t := range d.lost() {
			r.note(fmt.Sprintf("%v (%s neither passed it on nor dropped nor failed it)", t.r.meta(), d.st.name))
			t.r.sources(func(l *record) bool {
				named[&l.slab.Tickets[l.Index]] = true
				return true
			})
			defer t.leave()
		}
	}
	return named
}

// noteRunning names the handlers that ignore their cancelled context.
func (r *run) noteRunning() {
	r.workersMu.Lock()
	workers := slices.Collect(maps.Values(r.workers))
	r.workersMu.Unlock()
	for _, w := range workers {
		if rec := w.cur.Load(); rec != nil && w.Running() {
			r.note(fmt.Sprintf("%v (step %s ignores its cancelled context and was left running)", rec.meta(), w.stage.names()))
		}
	}
}

// names returns the names of the steps of the stage.
func (sg *stage) names() string {
	var names []string
	for _, n := range append(sg.exec.plan.words(sg.plan.all()), sg.plan.exit) {
		if n != nil && n.isStep() {
			names = append(names, sg.exec.plan.steps[n].name)
		}
	}
	return strings.Join(names, " or ")
}

// sinkTime bounds Open and Close of a sink.
const sinkTime = 30 * time.Second
