package stream

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/ledger"
)

// StateOf returns the state that a custom operator keeps for the partition of the current element.
// The first call makes it with make. The state lasts as long as the assignment: if the partition
// returns after a rebalance, StateOf makes a new one, since another member may have processed
// records in between. key is compared like a map key. Use one that only the operator has, such as
// a pointer.
//
// Call it with the handler's context. All workers of the partition share the state, so it must be
// safe for concurrent use. Two first calls at once may both call make; one result is kept. StateOf
// returns nil if ctx is not a handler's.
func StateOf[S any](ctx context.Context, key any, make func() *S) *S {
	r, ok := ctx.Value(lineageKey{}).(*record)
	if !ok {
		return nil
	}
	p := r.first().part
	if s := stateAt[S](p, key, nil); s != nil {
		return s
	}
	return stateAt(p, key, make()) // make is called without the lock; the first state stored wins
}

func stateAt[S any](p *part, key any, fresh *S) *S {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.custom[key].(*S); ok {
		return s
	}
	if fresh != nil {
		if p.custom == nil {
			p.custom = map[any]any{}
		}
		p.custom[key] = fresh
	}
	return fresh
}

// OnSettled calls f once the record of the current element is settled. finished is true if the
// record has finished and counts for the watermark. It is false if the record was given back
// unfinished: this member or another one will process it again. For a batch, f is called for each
// record. Below CommitBefore, finished means that the work there has finished.
//
// Call it with the handler's context, before the handler returns. f runs in the worker: keep it
// short. It returns false if ctx is not a handler's.
func OnSettled(ctx context.Context, f func(finished bool)) bool {
	r, ok := ctx.Value(lineageKey{}).(*record)
	if !ok {
		return false
	}
	r.sources(func(l *record) bool {
		p, t := l.part, &l.slab.Tickets[l.Index]
		p.mu.Lock()
		if p.onSettled == nil {
			p.onSettled = map[*ledger.Ticket][]func(bool){}
		}
		p.onSettled[t] = append(p.onSettled[t], f)
		p.mu.Unlock()
		t.Watch()
		return true
	})
	return true
}

// ticketSettles is called by the ledger once a watched ticket is settled.
func (p *part) ticketSettles(t *ledger.Ticket, finished bool) {
	p.mu.Lock()
	fs := p.onSettled[t]
	delete(p.onSettled, t)
	p.mu.Unlock()
	for _, f := range fs {
		if err := guarded(func() error { f(finished && !p.status().isReleased()); return nil }); err != nil {
			p.host.fail(fmt.Errorf("a func given to OnSettled: %w", err))
		}
	}
}
