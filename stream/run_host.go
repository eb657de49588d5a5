package stream

import (
	"context"
	"slices"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/resume"
)

// The run as host of its partitions, through their inlet.

func (r *run) name() string                { return r.plan.name }
func (r *run) handlers() context.Context   { return r.workCtx }
func (r *run) stopped() <-chan struct{}    { return r.sourceCtx.Done() }
func (r *run) limits() (int, int64)        { return r.opts.records, r.share() }
func (r *run) maxAhead() int64             { return r.opts.ahead }
func (r *run) build() (resume.Build, bool) { return r.opts.build, r.opts.build != resume.Build{} }
func (r *run) hasStartHook() bool          { return len(r.startHooks) > 0 }
func (r *run) rerunsForget() bool          { return r.plan.hasTail() || r.plan.transacts() }
func (r *run) advanced(p *part)            { r.commits.advanced(p) }

// reconcile makes every decision about a partition. It ends halts and parks that were asked to end,
// or whose record is gone, copies out what waits long, sets lanes aside and reads them again,
// flushes batches and Transforms, commits finished records, wakes the source, or others that have
// room for it, and wakes a drain. One goroutine at a time calls it: see part.changed.
func (in *inlet) reconcile(p *part) {
	p.tryResume()
	p.letGo()
	p.unpark()
	p.copyOut()
	p.setAside()
	p.setStalledAside()
	p.comeBack()
	in.settle(p)
	in.commits.look(p)
	p.wakeSource()
	in.yield()
	p.lookAgain()
	if p.tail != nil {
		p.tail.lookAgain()
	}
}

func (r *run) released(p *part, cause error) { r.commits.release(p, cause) }

func (r *run) resumed(p *part, again map[int64]bool, end haltEnd) func() {
	return r.commits.resumed(p, again, end)
}

func (r *run) pass(to int, below *record, id uint64, t *lane.Task) {
	r.stages[to].put(nil, below, id, t)
}

func (r *run) discard(p *part) {
	for _, st := range r.batches {
		st.batchOf(p).discard()
	}
}

func (r *run) giveUpInside(p *part) { r.giveUp(p, (*record).dropped) }

func (r *run) stepOf(stored string) (name string, line int, ok bool) {
	for _, st := range r.steps {
		if resume.StepOf(st.name) == stored {
			return st.name, st.line, true
		}
	}
	return "", 0, false
}

// halts returns the halts of all partitions, the oldest first.
func (r *run) halts() (hs []Halt) {
	for _, p := range r.all() {
		p.mu.Lock()
		hs = append(hs, p.halts()...)
		p.mu.Unlock()
	}
	slices.SortFunc(hs, func(a, b Halt) int { return a.Since.Compare(b.Since) })
	return hs
}
