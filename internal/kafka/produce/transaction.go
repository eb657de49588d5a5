package produce

import (
	"context"
	"errors"
)

var errOver = errors.New("the transaction is over")

// Begin makes the producer who the coordinator says it is, for one transaction: with another epoch
// than before sequences begin again. Implicit tells that partitions join a transaction by being
// written to (KIP-890). Whatever is left of the transaction before is forgotten.
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

// Quiet returns when nothing is on its way to a broker, or ctx ends. What is queued by Writes that
// have given up does not begin any more.
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
