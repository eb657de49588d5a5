package main

import (
	"context"
	"sync"
	"time"
)

// bank acts as the test says, and remembers its charges.
type bank struct {
	wait  time.Duration   // duration of a charge
	fails map[int][]error // errors of the next attempts at an order

	mu      sync.Mutex // guards fails and the fields below
	charged []int
}

func newBank() *bank { return &bank{fails: map[int][]error{}} }

func (b *bank) charge(_ context.Context, o Order) error {
	time.Sleep(b.wait)
	b.mu.Lock()
	defer b.mu.Unlock()
	if next := b.fails[o.ID]; len(next) > 0 {
		b.fails[o.ID] = next[1:]
		return next[0]
	}
	b.charged = append(b.charged, o.ID)
	return nil
}
