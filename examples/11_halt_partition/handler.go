package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

var errUnknown = errors.New("the currency is unknown")

// handler handles records, except for some.
type handler struct {
	rec demo.Recorder

	mu     sync.Mutex    // guards poison
	poison map[int]int64 // the offset of the failing record, by partition
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	h.mu.Lock()
	offset, poisoned := h.poison[m.Partition]
	h.mu.Unlock()
	if poisoned && m.Offset == offset {
		return errUnknown
	}
	return demo.Pause(ctx, time.Millisecond)
}

func (h *handler) fix(partition int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.poison, partition)
}
