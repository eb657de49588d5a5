package stream

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The tails of a run: see tail.go.

func (r *run) newTail(above *part) *part {
	t := &part{host: r, tp: above.tp, epoch: above.epoch, above: above, stop: make(chan struct{}), rested: make(chan struct{}, 1)}
	r.furnish(t)
	t.led.Rest = t.changed
	return t
}

// leaveTail keeps the tail of a partition that was let go in sight for as long as something is left
// of it: work, or records that were given up and have to be named.
func (r *run) leaveTail(p *part) {
	if p.tail == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tails = slices.DeleteFunc(r.tails, (*part).emptied)
	if !p.tail.emptied() {
		r.tails = append(r.tails, p.tail)
	}
}

// leftTails is the tails of partitions that were let go.
func (r *run) leftTails() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tails)
}

// finishTails waits for the tails of partitions that were let go, until the drain's deadline.
func (r *run) finishTails() {
	tails := r.leftTails()
	if len(tails) == 0 {
		return
	}
	ctx, cancel := r.drainTime(context.Background())
	defer cancel()
	r.settleAll()
	if r.await(ctx, tails, (*part).finished) {
		return
	}
	for _, t := range tails {
		t.rise(draining)
		t.cancel(fmt.Errorf("%v: %w", t.tp, ErrDrain))
	}
	grace, stop := context.WithTimeout(context.Background(), r.patience())
	defer stop()
	r.stuck.Store(!r.await(grace, tails, (*part).finished))
}

// noteTails names what was committed and never finished. What a handler still works on is named as
// running.
func (r *run) noteTails(running bool) {
	for _, t := range r.leftTails() {
		for s, i := range t.led.Unfinished {
			if running && s.Tickets[i].Held() {
				continue
			}
			if m, ok := s.Payload.(values).meta(int32(i)); ok {
				r.note(fmt.Sprintf("%v (committed already: it is lost)", m))
			}
		}
	}
}

// patience is what handlers get to notice that their context has ended.
func (r *run) patience() time.Duration {
	if r.crippled.Err() != nil {
		return stuckGrace // for those that heed their context
	}
	return handlerGrace
}
