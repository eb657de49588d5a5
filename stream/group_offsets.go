package stream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// groupOffsets commits the offsets of transactions to the group when the transactor stores them
// elsewhere. Correctness does not depend on it. It serves tools that show lag, and a first start
// without the transactor's offsets. So it commits with a delay, and a failed commit is reported and
// retried with the next one.
type groupOffsets struct {
	in   *inlet
	busy chan struct{} // capacity 1: full during a commit, since Source.Commit is not concurrent

	mu   sync.Mutex // guards next; a leaf
	next map[*part]int64
}

// groupEvery is the interval of these commits.
const groupEvery = time.Second

func newGroupOffsets(in *inlet) *groupOffsets {
	return &groupOffsets{in: in, busy: make(chan struct{}, 1), next: map[*part]int64{}}
}

// add notes the committed offset of a partition. A nil groupOffsets ignores it.
func (g *groupOffsets) add(p *part, offset int64) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next[p] = offset
}

// loop commits at each interval until stop is closed.
func (g *groupOffsets) loop(stop <-chan struct{}) {
	tick := time.NewTicker(groupEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.now(g.in.commitCtx, g.in.parts())
		case <-stop:
			return
		}
	}
}

// tellGroup commits the offsets of partitions before they are released, since the loop no longer
// does then. It retries for at most commitTime within the drain, and for handlerGrace if the drain
// is out of time.
func (t *transactions) tellGroup(ctx context.Context, ps []*part) {
	eachSource(ps, func(i int, mine []*part) {
		if g := t.grouped[i]; g != nil {
			g.tell(ctx, mine)
		}
	})
}

func (g *groupOffsets) tell(ctx context.Context, ps []*part) {
	short, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	ctx, stop := context.WithDeadline(context.WithoutCancel(ctx), later(short, time.Now().Add(handlerGrace)))
	defer stop()
	for g.now(ctx, ps) {
		select {
		case <-time.After(commitRetry):
		case <-ctx.Done():
			return
		}
	}
}

// now commits the noted offsets of partitions. It reports whether a retry may help.
func (g *groupOffsets) now(ctx context.Context, ps []*part) (again bool) {
	select {
	case g.busy <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-g.busy }()
	offsets, positions := map[TopicPartition]int64{}, map[*part]Position{}
	g.mu.Lock()
	for _, p := range ps {
		if next, ok := g.next[p]; ok && !p.status().isReleased() {
			offsets[p.tp], positions[p] = next, Position{Offset: next, TopicID: p.topic}
		}
	}
	g.mu.Unlock()
	if len(offsets) > 0 {
		err := g.in.store(ctx, positions)
		var partial *CommitError
		switch {
		case errors.As(err, &partial):
			for tp, e := range partial.Errs {
				g.in.emit(CommitFailed{tp, e, 1})
				delete(offsets, tp)
				again = again || !IsPermanent(e)
			}
		case err != nil:
			g.in.emit(CommitFailed{g.in.inside(TopicPartition{}), err, 1})
			clear(offsets)
			again = !IsPermanent(err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, next := range g.next { // refused offsets stay for the next commit
		if told, ok := offsets[p.tp]; ok && told == next || p.status().isReleased() {
			delete(g.next, p)
		}
	}
	return again
}
