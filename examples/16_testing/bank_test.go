package main

import (
	"context"
	"sync"
	"time"
)

// bank does as a test tells it, and remembers what it charged.
type bank struct {
	wait  time.Duration   // how long a charge takes
	fails map[int][]error // what the next attempts at an order get

	mu      sync.Mutex // guards fails, and what follows
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
