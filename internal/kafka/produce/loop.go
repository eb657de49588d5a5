package produce

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// sendersPerBroker is how many requests may be in flight to a broker, each for other partitions.
const sendersPerBroker = 2

const (
	requestBytes = 4 << 20  // of the batches in one request; a single batch is always sent
	onWayBytes   = 32 << 20 // of the batches in all requests; a single batch is always sent
)

// loop sends batches to one broker.
type loop struct {
	p         *Producer
	broker    int32
	wake      chan struct{} // holds one signal to look for work; never closed
	parts     []*part       // led by the broker
	turn      int           // where the next pick starts, so that each partition gets its turn
	throttled time.Time     // until then, as the broker asked
}

// place assigns each partition to the loop of its leader, and starts loops as needed.
func (p *Producer) place() {
	if p.closed {
		return
	}
	for _, l := range p.loops {
		l.parts = l.parts[:0]
	}
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if pt.leader < 0 {
				pt.loop = nil
				continue
			}
			l := p.loops[pt.leader]
			if l == nil {
				l = &loop{p: p, broker: pt.leader, wake: make(chan struct{}, 1)}
				p.loops[pt.leader] = l
				for range sendersPerBroker {
					p.wg.Go(l.run)
				}
			}
			if pt.loop != l {
				pt.loop, pt.retryAt = l, time.Time{}
			}
			l.parts = append(l.parts, pt)
		}
	}
	for _, l := range p.loops {
		raise(l.wake)
	}
}

// lacking reports whether records are queued in a partition without a loop to send them.
func (p *Producer) lacking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.topics {
		for _, pt := range t.parts {
			if len(pt.queue) > 0 && (pt.loop == nil || pt.id.id < 0) {
				return true
			}
		}
	}
	return false
}

func (l *loop) run() {
	for l.p.ctx.Err() == nil {
		picked, wait := l.pick()
		if len(picked) == 0 {
			backoff.Await(l.p.ctx, wait, l.wake)
			continue
		}
		l.send(picked)
	}
}

// attempt is one request with batches.
type attempt struct {
	wire.Sending
	ctx    context.Context
	cancel context.CancelFunc
}

func newAttempt(ctx context.Context) *attempt {
	a := new(attempt)
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// sent is a batch in flight.
type sent struct {
	way   *attempt
	part  *part
	b     *batched
	id    identity
	seq   int32
	bytes *[]byte
	err   error // encoding failed
}

// pick takes the first batch of every partition that is ready to send. If there is none, it returns
// how long to wait.
func (l *loop) pick() (picked []sent, wait time.Duration) {
	p := l.p
	now := time.Now()
	wait = metaMaxAge
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := l.throttled.Sub(now); d > 0 {
		return nil, d
	}
	size, first := 0, l.turn
	var way *attempt // created with the first batch
	for i := range l.parts {
		pt := l.parts[(first+i)%len(l.parts)]
		if pt.busy || pt.id.id < 0 {
			continue
		}
		for len(pt.queue) > 0 && pt.queue[0].tries == 0 {
			if pt.queue[0].drop(); len(pt.queue[0].records) > 0 {
				break
			}
			pt.pop()
		}
		if len(pt.queue) == 0 {
			continue
		}
		if d := pt.ready(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		b := pt.queue[0]
		if size > 0 && size+b.size > requestBytes {
			raise(l.wake) // wakes the other sender
			break
		}
		if p.onWay > 0 && p.onWay+b.size > onWayBytes {
			p.starved = true
			break
		}
		size += b.size
		p.onWay += b.size
		pt.busy = true
		p.busy++
		b.tries++
		if way == nil {
			way = newAttempt(p.ctx)
		}
		b.way = way
		if pt.topic.sticky == pt {
			pt.topic.sticky = nil
		}
		l.turn = (first + i + 1) % len(l.parts)
		picked = append(picked, sent{way: way, part: pt, b: b, id: pt.id, seq: pt.seq})
	}
	return picked, wait
}
