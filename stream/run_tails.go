package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The tails of a run: see tail.go.

func (r *run) newTail(above *part) *part {
	t := &part{host: above.host, source: above.source, entry: -1, tp: above.tp, epoch: above.epoch, above: above, stop: make(chan struct{}), rested: make(chan struct{}, 1)}
	r.furnish(t)
	t.led.Rest = t.changed
	return t
}

// leaveTail keeps the tail of a released partition until all its records are finished. The end of
// the run waits for those in work and names those that were abandoned.
func (r *run) leaveTail(p *part) {
	if p.tail == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tails = slices.DeleteFunc(append(r.tails, p.tail), func(t *part) bool {
		over := t.emptied()
		if over {
			t.cancel(errTailOver) // or its context would be kept until the end of the run
		}
		return over
	})
}

var errTailOver = errors.New("the assignment has ended [LW230]")

// leftTails returns the tails of released partitions.
func (r *run) leftTails() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tails)
}

// allTails returns the tails of all partitions, of those that are being released too.
func (r *run) allTails() []*part {
	tails := tailsOf(r.all()) // first, since drop adds a tail to those left before it removes its partition
	for _, t := range r.leftTails() {
		if !slices.Contains(tails, t) {
			tails = append(tails, t)
		}
	}
	return tails
}

// finishTails waits for the tails of released partitions until the drain's deadline.
func (r *run) finishTails() {
	tails := r.allTails()
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

// noteTails notes the records that were committed but never finished. If handlers are still
// running, noteRunning names their records instead.
func (r *run) noteTails(running bool) {
	for _, t := range r.allTails() {
		for s, i := range t.led.Unfinished {
			if running && s.Tickets[i].Held() {
				continue
			}
			if m, ok := s.Payload.(values).meta(int32(i)); ok {
				r.note(fmt.Sprintf("%v (lost, since it was committed)", m))
			}
		}
	}
}

// patience returns how long handlers may take to return after their context was cancelled.
func (r *run) patience() time.Duration {
	if r.broken.Err() != nil {
		return stuckGrace // one goroutine can never finish: wait only for handlers that heed ctx
	}
	return handlerGrace
}
