package stream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// groupOffsets tells the group where transactions have come to that keep their offsets elsewhere. Nothing rests on it: it is for tools that show the lag, and
// for a first start without the transactor's offsets. So it comes late, and a failure is told and waits for the next time.
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

// now tells what there is of partitions.
func (g *groupOffsets) now(ctx context.Context, ps []*part) {
	if g == nil {
		return
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-g.turn }()
	offsets, owners := map[TopicPartition]int64{}, map[TopicPartition]*part{}
	g.mu.Lock()
	for _, p := range ps {
		if next, ok := g.next[p]; ok && p.flags.Load()&gone == 0 {
			offsets[p.tp], owners[p.tp] = next, p
		}
	}
	g.mu.Unlock()
	if len(offsets) > 0 {
		err := g.run.src.commit(withOwners(ctx, owners), positions(offsets, owners))
		var partial *CommitError
		switch {
		case errors.As(err, &partial):
			for tp, e := range partial.Errs {
				g.run.emit(CommitFailed{tp, e, 1})
				delete(offsets, tp)
			}
		case err != nil:
			g.run.emit(CommitFailed{Err: err, Attempt: 1})
			clear(offsets)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, next := range g.next { // what was refused is told with what comes next
		if told, ok := offsets[p.tp]; ok && told == next || p.flags.Load()&gone != 0 {
			delete(g.next, p)
		}
	}
}
