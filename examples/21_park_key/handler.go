package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

var errUnknown = errors.New("the currency is unknown")

// handler handles records, except one until fixed is set.
type handler struct {
	rec    demo.Recorder
	poison kafka.Message
	fixed  atomic.Bool

	left   atomic.Int64  // unhandled records that do not wait behind the poison
	others chan struct{} // closed once none is left
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if string(m.Value) == string(h.poison.Value) && !h.fixed.Load() {
		return errUnknown
	}
	if err := demo.Pause(ctx, time.Millisecond); err != nil {
		return err
	}
	if h.left.Add(-1) == 0 {
		close(h.others)
	}
	return nil
}
