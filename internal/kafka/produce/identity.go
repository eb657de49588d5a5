package produce

import (
	"context"
	"fmt"
	"math"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// identity is the producer id and epoch by which brokers know a producer.
type identity struct {
	id    int64 // -1: none
	epoch int16
}

// bump starts a new epoch in this partition alone. The broker accepts nothing of the old epoch, and
// sequences start again at 0.
func (pt *part) bump() {
	if pt.topic.p.cfg.TransactionalID != "" {
		// only the coordinator raises epochs; the transaction is aborted, and the next one has
		// another
		return
	}
	pt.seq = 0
	if pt.id.epoch == math.MaxInt16 {
		pt.id.id = -1 // renew requests a new one
		raise(pt.topic.p.refresh)
		return
	}
	pt.id.epoch++
}

// acquire requests an id from the cluster, and retries until ctx ends.
func (p *Producer) acquire(ctx context.Context) (identity, error) {
	for try := 1; ; try++ {
		id, err := p.request(ctx)
		if err == nil {
			return id, nil
		}
		if !wire.Retriable(err) || !retries.Pause(ctx, try) {
			return id, fmt.Errorf("requesting a producer id: %w", err)
		}
	}
}

func (p *Producer) request(ctx context.Context) (identity, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	r, err := p.cfg.Client.Any(ctx, req)
	if err != nil {
		return identity{id: -1}, err
	}
	resp := r.(*kmsg.InitProducerIDResponse)
	if err := wire.Code(resp.ErrorCode).Err(); err != nil {
		return identity{id: -1}, err
	}
	return identity{resp.ProducerID, resp.ProducerEpoch}, nil
}

// renew gives a new id to the partitions that have used up theirs.
func (p *Producer) renew() {
	if p.cfg.TransactionalID != "" || !p.wanting() {
		return
	}
	id, err := p.request(p.ctx)
	if err != nil {
		return // the metadata loop tries again
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = id
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if pt.id.id < 0 {
				pt.id, pt.seq = id, 0
				if pt.loop != nil {
					raise(pt.loop.wake)
				}
			}
		}
	}
}

func (p *Producer) wanting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if pt.id.id < 0 {
				return true
			}
		}
	}
	return false
}
