package produce

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// write is a Write waiting for its records. Producer.mu guards its fields.
type write struct {
	left int
	errs map[int]error
	gone bool          // it has returned: unsent records must not be sent
	done chan struct{} // closed when left is 0
}

func (w *write) finish(i int, err error) {
	if err != nil {
		if w.errs == nil {
			w.errs = map[int]error{}
		}
		w.errs[i] = err
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

// placed is a record and its partition.
type placed struct {
	part  *part // nil: it has none, and the error is noted
	r     batch.Record
	size  int
	index int32
}

// Write writes n messages, where at(i) returns the i-th, to topic or, if that is empty, to the
// topic of each message. It returns when each is acknowledged or has failed; failed has the errors
// by index. Messages of one partition keep their order.
//
// Write reads the messages until they are queued, and their bytes until they are sent, even if ctx
// ends before. In that case err is the context's error: unsent messages will not be sent, and the
// fate of the others is unknown.
func (p *Producer) Write(ctx context.Context, n int, topic string, at func(i int) *kafka.Message) (failed map[int]error, err error) {
	if n == 0 {
		return nil, nil
	}
	w := &write{left: n, done: make(chan struct{})}
	records := make([]placed, n)
	p.prepare(ctx, w, records, topic, at)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.cfg.Join != nil {
		if err := p.cfg.Join(ctx, partsOf(records)); err != nil {
			return nil, err
		}
	}
	p.enqueue(w, records)
	select {
	case <-w.done:
	case <-ctx.Done():
		p.mu.Lock()
		w.gone = true
		p.mu.Unlock()
		return nil, ctx.Err()
	}
	return w.errs, nil // no longer modified
}

// prepare finds a partition for each message.
func (p *Producer) prepare(ctx context.Context, w *write, records []placed, topic string, at func(i int) *kafka.Message) {
	views := map[string]*view{}
	var v *view
	now := time.Now().UnixMilli()
	for i := range records {
		m, name := at(i), topic
		if name == "" {
			name = m.Topic
		}
		if v == nil || v.name != name {
			if v = views[name]; v == nil {
				v = p.find(ctx, name)
				v.name = name
				views[name] = v
			}
		}
		r := &records[i]
		r.index = int32(i)
		r.r = batch.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Time: now}
		if !m.Time.IsZero() {
			r.r.Time = m.Time.UnixMilli()
		}
		r.size = r.r.MaxSize()
		err := v.err
		if limit := max(p.cfg.BatchBytes, p.cfg.RecordBytes); err == nil && r.size+batch.Overhead > limit {
			err = &kafkaerr.TooLargeError{Topic: name, Size: r.size, Limit: limit}
		}
		if err == nil {
			r.part, err = v.choose(m, r.size)
		}
		if err != nil {
			p.mu.Lock()
			w.finish(i, err)
			p.mu.Unlock()
		}
	}
}

// enqueue adds the records to their partitions under one lock. If a record fails in between, later
// ones of its partition must not overtake it.
func (p *Producer) enqueue(w *write, records []placed) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		r := &records[i]
		switch {
		case r.part == nil:
		case p.closed:
			w.finish(int(r.index), wire.ErrClosed)
		default:
			started := r.part.push(r.r, r.size, owner{w, r.index}, now)
			if !started {
				continue
			}
			if l := r.part.loop; l != nil {
				raise(l.wake)
			} else {
				raise(p.refresh)
			}
		}
	}
}

func partsOf(records []placed) []wire.TopicPartition {
	seen := map[*part]bool{}
	var tps []wire.TopicPartition
	for i := range records {
		if pt := records[i].part; pt != nil && !seen[pt] {
			seen[pt] = true
			tps = append(tps, wire.PartitionOf(pt.topic.name, pt.number))
		}
	}
	return tps
}
