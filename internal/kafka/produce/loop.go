package produce

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// sendersPerBroker is how many requests may be on their way to a broker, each with partitions of
// its own.
const sendersPerBroker = 2

const (
	requestBytes = 4 << 20  // of the batches in one request; one batch always goes
	onWayBytes   = 32 << 20 // of the batches in all requests; one batch always goes
)

// loop is what is written to one broker.
type loop struct {
	p      *Producer
	broker int32
	wake   chan struct{} // holds one signal that there may be something to do; never closed
	parts  []*part       // that the broker leads
	turn   int           // where the next pick begins, so that each gets its turn
	mute   time.Time     // the broker asked for silence until then
}

// place gives each partition to the loop of its leader, starting loops as needed.
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

// lacking reports whether something is queued that nobody can send.
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
			pause(l.p.ctx, wait, l.wake)
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

// sent is a batch on its way.
type sent struct {
	way   *attempt
	part  *part
	b     *batched
	id    identity
	seq   int32
	bytes *[]byte
	err   error // it could not be encoded
}

// pick takes the first batch of every partition that has one to be sent, and says how long to wait
// where none has.
func (l *loop) pick() (picked []sent, wait time.Duration) {
	p := l.p
	now := time.Now()
	wait = metaMaxAge
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := l.mute.Sub(now); d > 0 {
		return nil, d
	}
	size, first := 0, l.turn
	var way *attempt // made with the first
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
			raise(l.wake) // for the other sender
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
