package stream

import "context"

// What becomes of finished prefixes: a committer stores their offsets, or transactions write their results with them. At most one of the two is there.

// counted is called where something of p has finished that is not a record at rest: offsets without records, a record that was given up.
func (r *run) counted(p *part) {
	switch {
	case r.committer != nil:
		r.committer.count()
	case r.tx != nil:
		r.tx.count(p)
	}
}

// commitNow commits what is finished of partitions and waits for that, until ctx ends.
func (r *run) commitNow(ctx context.Context, ps []*part) error {
	if r.tx != nil {
		return r.tx.now(ctx, ps)
	}
	return r.committer.now(ctx, ps)
}

func (r *run) startCommits() {
	if r.committer != nil {
		r.spawn(r.committer.loop)
	}
	if r.tx != nil {
		r.spawn(r.tx.loop)
		if g := r.tx.grouped; g != nil {
			r.spawn(func() { g.loop(r.tx.stop) })
		}
	}
}

func (r *run) stopCommits() {
	if r.committer != nil {
		close(r.committer.stop)
	}
	if r.tx != nil {
		close(r.tx.stop)
	}
}
