package stream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// groupOffsets tells the group where transactions have come to that keep their offsets elsewhere.
// Nothing rests on it: it is for tools that show the lag, and for a first start without the
// transactor's offsets. So it comes late, and a failure is told and waits for the next time.
type groupOffsets struct {
	run  *run
	turn chan struct{} // room for one: who commits, since a Source has one Commit at a time

	mu   sync.Mutex // guards next; a leaf
	next map[*part]int64
}

// groupEvery is how late the group may hear.
const groupEvery = time.Second

func newGroupOffsets(r *run) *groupOffsets {
	return &groupOffsets{run: r, turn: make(chan struct{}, 1), next: map[*part]int64{}}
}

// add notes where a partition has come to. A nil groupOffsets tells nobody.
func (g *groupOffsets) add(p *part, offset int64) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next[p] = offset
}

// loop tells from time to time, until stop is closed.
func (g *groupOffsets) loop(stop <-chan struct{}) {
	tick := time.NewTicker(groupEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.now(g.run.commitCtx, g.run.all())
		case <-stop:
			return
		}
	}
}

// tellGroup tells what there is of partitions that are about to go: nobody else does, unless they
// are assigned again. A failure is tried again for a moment, which a drain that is over has too.
func (t *transactions) tellGroup(ctx context.Context, ps []*part) {
	if t.grouped == nil {
		return
	}
	short, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	ctx, stop := context.WithDeadline(context.WithoutCancel(ctx), later(short, time.Now().Add(handlerGrace)))
	defer stop()
	for t.grouped.now(ctx, ps) {
		select {
		case <-time.After(commitRetry):
		case <-ctx.Done():
			return
		}
	}
}

// now tells what there is of partitions. It reports whether another try may tell more.
func (g *groupOffsets) now(ctx context.Context, ps []*part) (again bool) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-g.turn }()
	offsets, positions, owners := map[TopicPartition]int64{}, map[TopicPartition]Position{}, map[TopicPartition]*part{}
	g.mu.Lock()
	for _, p := range ps {
		if next, ok := g.next[p]; ok && !p.status().isReleased() {
			offsets[p.tp], owners[p.tp] = next, p
			positions[p.tp] = Position{Offset: next, TopicID: p.topic}
		}
	}
	g.mu.Unlock()
	if len(offsets) > 0 {
		err := g.run.src.commit(withOwners(ctx, owners), positions)
		var partial *CommitError
		switch {
		case errors.As(err, &partial):
			for tp, e := range partial.Errs {
				g.run.emit(CommitFailed{tp, e, 1})
				delete(offsets, tp)
				again = again || !IsPermanent(e)
			}
		case err != nil:
			g.run.emit(CommitFailed{Err: err, Attempt: 1})
			clear(offsets)
			again = !IsPermanent(err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, next := range g.next { // what was refused is told with what comes next
		if told, ok := offsets[p.tp]; ok && told == next || p.status().isReleased() {
			delete(g.next, p)
		}
	}
	return again
}
