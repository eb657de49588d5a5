package stream

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/ledger"
)

// StateOf returns what a custom operator keeps for the partition of the element that ctx was handed with, made on first use. It lives as long as the
// assignment: a partition that comes back starts anew, since what happened to it meanwhile is unknown. key is compared like a map key; an operator
// uses one of its own, such as a pointer. The value is used by all workers of the partition, so it guards itself. nil: ctx is not a handler's.
func StateOf[S any](ctx context.Context, key any, make func() *S) *S {
	r, ok := ctx.Value(lineageKey{}).(*record)
	if !ok {
		return nil
	}
	p := r.first().part
	if s := stateAt[S](p, key, nil); s != nil {
		return s
	}
	return stateAt(p, key, make()) // made without the lock; one that came first stays
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

// OnRest calls f when the record of the element that ctx was handed with has come to rest: finished (true), which is when it counts for the
// watermark, or given back unfinished (false), which is when it will be worked on again, here or by another member. For a batch, f is called for each record.
// It must be called before the handler returns; f must be short. Below CommitBefore it is the work there that has finished. false: ctx is not a handler's.
func OnRest(ctx context.Context, f func(finished bool)) bool {
	r, ok := ctx.Value(lineageKey{}).(*record)
	if !ok {
		return false
	}
	r.leaves(func(l *record) bool {
		p, t := l.part, &l.slab.Tickets[l.Index]
		p.mu.Lock()
		if p.onRest == nil {
			p.onRest = map[*ledger.Ticket][]func(bool){}
		}
		p.onRest[t] = append(p.onRest[t], f)
		p.mu.Unlock()
		t.Watch()
		return true
	})
	return true
}

// ticketRests is the ledger's word that a watched ticket has come to rest.
func (p *part) ticketRests(t *ledger.Ticket, finished bool) {
	p.mu.Lock()
	fs := p.onRest[t]
	delete(p.onRest, t)
	p.mu.Unlock()
	for _, f := range fs {
		if err := guarded(func() error { f(finished && !p.status().isReleased()); return nil }); err != nil {
			p.host.fail(fmt.Errorf("a func given to OnRest: %w", err))
		}
	}
}
