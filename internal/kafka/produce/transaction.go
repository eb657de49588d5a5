package produce

import (
	"context"
	"errors"
)

var errOver = errors.New("the transaction is over")

// Begin gives the producer its id and epoch for one transaction. A new epoch restarts the
// sequences. implicit says that partitions join a transaction by being written to (KIP-890).
// Records left from the previous transaction fail.
func (p *Producer) Begin(id int64, epoch int16, implicit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id, p.limit = identity{id, epoch}, newest
	if !implicit {
		p.limit = newest - 1
	}
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if len(pt.queue) > 0 {
				pt.fail(errOver)
			}
			if pt.id != p.id {
				pt.id, pt.seq = p.id, 0
			}
		}
	}
}

// Quiet waits until nothing is in flight, or until ctx ends. Queued records of Writes that have
// given up are not sent any more.
func (p *Producer) Quiet(ctx context.Context) {
	p.mu.Lock()
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if len(pt.queue) > 0 {
				pt.fail(errOver)
			}
		}
	}
	if p.busy > 0 && p.quiet == nil {
		p.quiet = make(chan struct{})
	}
	quiet := p.quiet
	p.mu.Unlock()
	if quiet == nil {
		return
	}
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}
