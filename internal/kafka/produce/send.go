package produce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// replicaWaitMillis is how long a broker waits for its replicas before it reports a timeout.
const replicaWaitMillis = 10_000

// buffers holds the bytes of batches in flight.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keep is the largest buffer kept for reuse.
const keep = 2 << 20

// send sends batches to the loop's broker and handles the response.
func (l *loop) send(picked []sent) {
	p := l.p
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, replicaWaitMillis
	if p.cfg.TransactionalID != "" {
		req.TransactionID = &p.cfg.TransactionalID
	}
	for i := range picked {
		s := &picked[i]
		s.encode(p)
		if s.err == nil {
			add(req, s)
		}
	}
	way := picked[0].way
	resp, err := p.cfg.Client.Produce(way.ctx, l.broker, req, p.version(), &way.Sending)
	way.cancel()
	if way.GiveUp() && p.ctx.Err() == nil && errors.Is(err, context.Canceled) {
		err = errUnreached
	}
	if resp != nil && resp.ThrottleMillis > 0 {
		l.silence(time.Duration(resp.ThrottleMillis) * time.Millisecond)
	}
	answers := answersOf(resp)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range picked {
		s := &picked[i]
		answer, ok := answers[wire.PartitionOf(s.part.topic.name, s.part.number)]
		doubt := false
		switch {
		case s.err != nil:
			answer = s.err
		case err != nil:
			answer, doubt = err, !way.GiveUp()
		case !ok:
			answer, doubt = errNoAnswer, true
		case answer != nil:
			// a leader that is replaced, or whose replicas are too slow, has appended first
			doubt = !wire.CodeOf(answer).In(wire.Unwritten)
		}
		s.b.doubtful = s.b.doubtful || doubt
		s.settle(answer)
		p.onWay -= s.b.size
		p.busy--
		s.release()
	}
	if p.busy == 0 && p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
	if p.starved {
		p.starved = false
		for _, other := range p.loops {
			raise(other.wake)
		}
	}
}

// silence stops both senders while the broker throttles. Otherwise it would delay any request on
// the connection.
func (l *loop) silence(d time.Duration) {
	l.p.mu.Lock()
	l.throttled = time.Now().Add(d)
	l.p.mu.Unlock()
	if l.p.cfg.OnEvent != nil {
		l.p.cfg.OnEvent("throttled", fmt.Sprintf("broker %d throttles this client for %v: a quota is used up", l.broker, d))
	}
}

func (p *Producer) version() int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

func (s *sent) encode(p *Producer) {
	s.bytes = buffers.Get().(*[]byte)
	b, err := p.enc.Encode((*s.bytes)[:0], s.b.records)
	if err != nil {
		s.err = err
		return
	}
	*s.bytes = b
	batch.Stamp(b, batch.Producer{ID: s.id.id, Epoch: s.id.epoch, Sequence: s.seq, Transactional: p.cfg.TransactionalID != ""})
}

// release returns the buffer to the pool. The request has a copy of its own.
func (s *sent) release() {
	if cap(*s.bytes) <= keep {
		buffers.Put(s.bytes)
	}
	s.bytes = nil
}

func add(req *kmsg.ProduceRequest, s *sent) {
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = s.part.number, *s.bytes
	name := s.part.topic.name
	for i := range req.Topics {
		if req.Topics[i].Topic == name {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
			return
		}
	}
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = name
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

func answersOf(resp *kmsg.ProduceResponse) map[wire.TopicPartition]error {
	if resp == nil {
		return nil
	}
	answers := map[wire.TopicPartition]error{}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			answers[wire.PartitionOf(t.Topic, t.Partitions[j].Partition)] = wire.Code(t.Partitions[j].ErrorCode).Err()
		}
	}
	return answers
}
