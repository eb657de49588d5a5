package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/stream"
)

var (
	errBusy      = errors.New("the bank is busy")
	errMalformed = errors.New("not an order")
	errHopeless  = errors.New("no such account")
	errPoison    = errors.New("the ledger refuses it")
)

func is(err error) func(error) bool { return func(e error) bool { return errors.Is(e, err) } }

// records are n orders, of which some are trouble.
func records(n int) []kafka.Message {
	ms := demo.Numbered(n, 64)
	for i := range ms {
		for _, k := range trouble {
			if i%k.every == k.first {
				ms[i].Value = []byte(k.kind)
			}
		}
	}
	return ms
}

// trouble is what is wrong with one record in so many; of two kinds the latter counts.
var trouble = []struct {
	kind         string
	first, every int
}{{"slow", 20, 40}, {"busy", 15, 30}, {"malformed", 50, 100}, {"hopeless", 25, 150}, {"poison", 90, 400}}

// clerk handles the records of both members.
type clerk struct {
	mu     sync.Mutex      // guards what follows
	tried  map[string]bool // busy ones, by place
	mended map[string]bool // poison, by place
}

func newClerk() *clerk { return &clerk{tried: map[string]bool{}, mended: map[string]bool{}} }

func (c *clerk) charge(ctx context.Context, m kafka.Message) error {
	took := 2 * time.Millisecond
	if string(m.Value) == "slow" {
		took = 300 * time.Millisecond
	}
	if err := demo.Pause(ctx, took); err != nil {
		return err
	}
	at := demo.Place(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch string(m.Value) {
	case "busy":
		if !c.tried[at] {
			c.tried[at] = true
			return errBusy
		}
		delete(c.tried, at)
	case "malformed":
		return errMalformed
	case "hopeless":
		return errHopeless
	case "poison":
		if !c.mended[at] {
			return errPoison
		}
	}
	return nil
}

func (c *clerk) insert(ctx context.Context, _ []kafka.Message) error {
	return demo.Pause(ctx, 10*time.Millisecond)
}

// mend is what somebody does about a halt before it is resumed.
func (c *clerk) mend(h stream.Halt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := h.Record.(kafka.Message); ok {
		c.mended[demo.Place(m)] = true
	}
}
