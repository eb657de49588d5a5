package stream

import (
	"context"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/ledger"
)

// committers is a committer for each source. Each counts, waits and retries for itself, so that a
// source whose commits are refused delays no other.
type committers []*committer

func newCommitters(r *run, c *commitPlan) committers {
	cs := make(committers, len(r.inlets))
	for i, in := range r.inlets {
		cs[i] = newCommitter(in, c)
	}
	return cs
}

func (cs committers) of(p *part) *committer { return cs[p.source] }

func (cs committers) begin(p *part, l *ledger.Ledger) { cs.of(p).begin(p, l) }
func (cs committers) look(p *part)                    { cs.of(p).look(p) }
func (cs committers) advanced(p *part)                { cs.of(p).count() }
func (cs committers) holds(p *part) *hold             { return p.refusal.Load() }

func (committers) assigned(context.Context, []*part, <-chan struct{}) {}
func (committers) waiting(*part) error                                { return nil }
func (committers) resumed(*part, map[int64]bool, haltEnd) func()      { return nil }
func (committers) release(*part, error)                               {}

func (cs committers) start() {
	for _, c := range cs {
		c.start()
	}
}

func (cs committers) stop() {
	for _, c := range cs {
		c.stop()
	}
}

func (cs committers) now(ctx context.Context, ps []*part) error {
	if len(cs) == 1 {
		return cs[0].now(ctx, ps)
	}
	return cs.apart(ps, func(c *committer, ps []*part) error { return c.now(ctx, ps) })
}

func (cs committers) last(_, ctx context.Context, ps []*part) error { return cs.now(ctx, ps) }

// apart calls f for each source that has some of ps, all at once, and returns an error of one.
func (cs committers) apart(ps []*part, f func(*committer, []*part) error) (err error) {
	split := make([][]*part, len(cs))
	for _, p := range ps {
		split[p.source] = append(split[p.source], p)
	}
	errs := make([]error, len(cs))
	var wg conc.WaitGroup
	for i, mine := range split {
		if len(mine) > 0 {
			wg.Go(func() { errs[i] = f(cs[i], mine) })
		}
	}
	wg.Wait()
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

// finish returns how an element ends. With CommitEach the element holds its lane until it is
// committed. It does not if an earlier record is unfinished and no resume state can list this one.
func (cs committers) finish() finish {
	if c := cs[0]; !c.each || c.in.plan.hasTail() {
		return done
	}
	return func(w *worker, rec *record) {
		if rec.joint == nil {
			rec.done()
			cs.of(rec.part).await(w, rec)
			return
		}
		var leaves []*record
		rec.leaves(func(l *record) bool {
			leaves = append(leaves, l)
			return true
		})
		rec.done()
		for _, l := range leaves {
			cs.of(l.part).await(w, l)
		}
	}
}
