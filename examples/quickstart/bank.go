package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/laneway-go/laneway/stream"
)

var (
	errBusy    = errors.New("the bank was busy")
	errUnknown = errors.New("the bank does not know this currency")
)

// bank charges orders, and remembers what a check needs.
type bank struct {
	poison int          // the order that fails until the bank is fixed
	flaky  map[int]bool // the orders that fail at their first attempt

	mu         sync.Mutex // guards the fields below
	fixed      bool
	failed     map[int]int    // how often, by order
	charged    map[int]int    // how often, by order
	byPart     map[int]int    // how many, by partition
	last       map[string]int // the number of the last order charged, by customer
	outOfOrder []string
	waits      []await
}

// await waits until enough orders are charged.
type await struct {
	enough func() bool // called under mu
	ch     chan struct{}
}

// newBank returns a bank for that many orders. One of them, a tenth into them, is poison. Twelve
// are flaky.
func newBank(orders int) *bank {
	b := &bank{poison: orders / 10, flaky: map[int]bool{}, failed: map[int]int{}, charged: map[int]int{}, byPart: map[int]int{}, last: map[string]int{}}
	for i := range 12 {
		b.flaky[orders/12*i+1] = true
	}
	return b
}

// charge is the worker's handler. It takes as long as a call over a network.
func (b *bank) charge(ctx context.Context, o Order) (Receipt, error) {
	answer := time.NewTimer(10*time.Millisecond + rand.N(30*time.Millisecond))
	defer answer.Stop()
	select {
	case <-answer.C:
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.ID == b.poison && !b.fixed {
		b.failed[o.ID]++
		return Receipt{}, stream.Permanent(errUnknown) // no retry can fix it
	}
	if b.flaky[o.ID] && b.failed[o.ID] == 0 {
		b.failed[o.ID]++
		return Receipt{}, errBusy
	}
	if want := b.last[o.Customer] + 1; o.Number != want {
		b.outOfOrder = append(b.outOfOrder, fmt.Sprintf("%s's order %d came instead of %d", o.Customer, o.Number, want))
	}
	b.last[o.Customer] = o.Number
	b.charged[o.ID]++
	if m, ok := stream.MetaOf(ctx); ok { // the origin of the order
		b.byPart[m.Partition]++
	}
	b.tell()
	return Receipt{o.ID, o.Cents}, nil
}

// fix acts as a new version of the bank, which knows the currency.
func (b *bank) fix() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fixed = true
}

// allBut returns a channel that closes once everything is charged, except for the orders of one
// partition (-1: none).
func (b *bank) allBut(partition int, placed map[int]int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := await{ch: make(chan struct{}), enough: func() bool {
		for part, n := range placed {
			if part != partition && b.byPart[part] < n {
				return false
			}
		}
		return true
	}}
	b.waits = append(b.waits, w)
	b.tell()
	return w.ch
}

// tell closes the channels whose condition holds. The caller holds mu.
func (b *bank) tell() {
	b.waits = slices.DeleteFunc(b.waits, func(w await) bool {
		if w.enough() {
			close(w.ch)
			return true
		}
		return false
	})
}

// count returns how many orders were charged.
func (b *bank) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.charged)
}
