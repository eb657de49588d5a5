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

// clerk handles records; some it cannot.
type clerk struct {
	tape demo.Tape

	mu     sync.Mutex    // guards poison
	poison map[int]int64 // the offset that cannot be handled, by partition
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	c.mu.Lock()
	offset, poisoned := c.poison[m.Partition]
	c.mu.Unlock()
	if poisoned && m.Offset == offset {
		return errUnknown
	}
	return demo.Pause(ctx, time.Millisecond)
}

func (c *clerk) mend(partition int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.poison, partition)
}
