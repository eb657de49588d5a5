package stream

import (
	"cmp"
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
func (cs committers) advanced(p *part)                { cs.of(p).count(p) }
func (cs committers) holds(p *part) *hold             { return p.refusal.Load() }
func (cs committers) release(p *part, _ error)        { cs.of(p).news.remove(p) }

func (committers) assigned(context.Context, []*part, <-chan struct{}) {}
func (committers) waiting(*part) error                                { return nil }
func (committers) resumed(*part, map[int64]bool, haltEnd) func()      { return nil }

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
	errs := make([]error, len(cs))
	eachSource(ps, func(i int, mine []*part) { errs[i] = cs[i].now(ctx, mine) })
	return cmp.Or(errs...)
}

func (cs committers) last(_, ctx context.Context, ps []*part) error { return cs.now(ctx, ps) }

// eachSource calls f for each source that has some of ps, all at once.
func eachSource(ps []*part, f func(source int, mine []*part)) {
	split := map[int][]*part{}
	for _, p := range ps {
		split[p.source] = append(split[p.source], p)
	}
	var wg conc.WaitGroup
	for i, mine := range split {
		wg.Go(func() { f(i, mine) })
	}
	wg.Wait()
}

// finish returns how an element ends. With CommitEach the element holds its lane until it is
// committed. It does not if an earlier record is unfinished and no resume state can list this one.
func (cs committers) finish() finish {
	if c := cs[0]; !c.each || c.in.plan.hasTail() {
		return done
	}
	return func(w *worker, rec *record) {
		if rec.joined == nil {
			rec.done()
			cs.of(rec.part).await(w, rec)
			return
		}
		var leaves []*record
		rec.sources(func(l *record) bool {
			leaves = append(leaves, l)
			return true
		})
		rec.done()
		for _, l := range leaves {
			cs.of(l.part).await(w, l)
		}
	}
}
