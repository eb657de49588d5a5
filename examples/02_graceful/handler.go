package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

// handler handles records. One record of each partition can be slow, so that a signal interrupts
// work.
type handler struct {
	*demo.Demo
	rec     demo.Recorder
	slow    bool
	proceed chan struct{} // closed when slow work may finish
}

const slowOffset = 100

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if !h.slow || m.Offset != slowOffset {
		return demo.Pause(ctx, time.Millisecond)
	}
	h.Say("slow     partition %d offset %d", m.Partition, m.Offset)
	select {
	case <-h.proceed:
		return nil
	case <-ctx.Done(): // the drain took too long
		return fmt.Errorf("given up: %w", context.Cause(ctx))
	}
}

// listen waits for the command to proceed.
func (h *handler) listen(ended <-chan struct{}) {
	for {
		select {
		case line, ok := <-h.Told:
			if !ok {
				return
			}
			if line == "go on" {
				close(h.proceed)
			}
		case <-ended:
			return
		}
	}
}
