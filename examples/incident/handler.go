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

// records returns n orders, some with trouble.
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

// trouble is what is wrong with one record in that many; the last that applies counts.
var trouble = []struct {
	kind         string
	first, every int
}{{"slow", 20, 40}, {"busy", 15, 30}, {"malformed", 50, 100}, {"hopeless", 25, 150}, {"poison", 90, 400}}

// handler handles the records of both members.
type handler struct {
	mu    sync.Mutex      // guards the fields below
	tried map[string]bool // busy records, by position
	fixed map[string]bool // poison, by position
}

func newHandler() *handler { return &handler{tried: map[string]bool{}, fixed: map[string]bool{}} }

func (h *handler) charge(ctx context.Context, m kafka.Message) error {
	took := 2 * time.Millisecond
	if string(m.Value) == "slow" {
		took = 300 * time.Millisecond
	}
	if err := demo.Pause(ctx, took); err != nil {
		return err
	}
	at := demo.Place(m)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch string(m.Value) {
	case "busy":
		if !h.tried[at] {
			h.tried[at] = true
			return errBusy
		}
		delete(h.tried, at)
	case "malformed":
		return errMalformed
	case "hopeless":
		return errHopeless
	case "poison":
		if !h.fixed[at] {
			return errPoison
		}
	}
	return nil
}

func (h *handler) insert(ctx context.Context, _ []kafka.Message) error {
	return demo.Pause(ctx, 10*time.Millisecond)
}

// fix removes the cause of a halt before it is resumed.
func (h *handler) fix(halt stream.Halt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, ok := halt.Record.(kafka.Message); ok {
		h.fixed[demo.Place(m)] = true
	}
}
