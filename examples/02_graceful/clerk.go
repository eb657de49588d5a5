package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

// clerk handles records. One of each partition can be slow, so that there is work to interrupt.
type clerk struct {
	*demo.Demo
	tape demo.Tape
	slow bool
	goOn chan struct{} // closed when slow work may finish
}

const slowOffset = 100

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if !c.slow || m.Offset != slowOffset {
		return demo.Pause(ctx, time.Millisecond)
	}
	c.Say("slow     partition %d offset %d", m.Partition, m.Offset)
	select {
	case <-c.goOn:
		return nil
	case <-ctx.Done(): // the drain has lasted too long
		return fmt.Errorf("given up: %w", context.Cause(ctx))
	}
}

// listen waits to be told to go on.
func (c *clerk) listen(ended <-chan struct{}) {
	for {
		select {
		case line, ok := <-c.Told:
			if !ok {
				return
			}
			if line == "go on" {
				close(c.goOn)
			}
		case <-ended:
			return
		}
	}
}
