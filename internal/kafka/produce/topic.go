package produce

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// topic is a topic in use.
type topic struct {
	p     *Producer
	name  string
	id    [16]byte // zero if brokers have no ids
	parts []*part  // by number; never shrinks
	// the partitions that exist now, for balancers: fewer than parts if the topic was recreated
	// with fewer; replaced, never modified
	numbers []int
	// the partition for records without a key, until a batch of it is sent; nil: not chosen yet
	sticky *part
	err    error // why metadata for it failed, a *kafkaerr.TopicError
	since  time.Time
}

// view is a topic as seen by one Write.
type view struct {
	name    string
	t       *topic
	parts   []*part
	numbers []int
	err     error // why the topic cannot be written to
	sticky  *part // see topic
	stuck   int   // bytes that this Write added to sticky
}

// find returns the topic and its partitions. It asks the cluster until it knows them, for at most
// UnknownTopicTimeout. A topic that has been unknown for that long is asked for only once.
func (p *Producer) find(ctx context.Context, name string) *view {
	if name == "" {
		return &view{err: errNoTopic}
	}
	if v, _ := p.look(name); v != nil && v.err == nil {
		return v
	}
	began := time.Now()
	for try := 1; ; try++ {
		asking, cancel := context.WithDeadline(ctx, began.Add(p.cfg.DeliveryTimeout))
		found, err := p.cfg.Client.Metadata(asking, name)
		cancel()
		if err == nil {
			p.learn(found)
			v, since := p.look(name)
			if err = v.err; err == nil || !wire.Retriable(err) || time.Since(since) >= p.cfg.UnknownTopicTimeout {
				return v
			}
		}
		switch {
		case ctx.Err() != nil:
			return &view{err: ctx.Err()}
		case p.ctx.Err() != nil:
			return &view{err: wire.ErrClosed}
		case wire.Fatal(err):
			return &view{err: err}
		case time.Since(began) >= p.cfg.DeliveryTimeout:
			return &view{err: &kafkaerr.DeliveryError{Topic: name, Partition: -1, After: p.cfg.DeliveryTimeout, Err: err}}
		}
		backoff.Await(ctx, retries.Wait(try), p.ctx.Done())
	}
}

// Find returns nil once the topic is known, or after UnknownTopicTimeout the reason why not.
func (p *Producer) Find(ctx context.Context, topic string) error { return p.find(ctx, topic).err }

// look returns what is known of a topic, or nil and the time since when it is unknown.
func (p *Producer) look(name string) (v *view, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.topics[name]
	if t == nil {
		return nil, time.Time{}
	}
	return &view{t: t, parts: t.parts[:len(t.numbers)], numbers: t.numbers, err: t.err}, t.since
}

// names returns the topics in use.
func (p *Producer) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, t := range p.topics {
		if len(t.parts) > 0 {
			names = append(names, t.name)
		}
	}
	return names
}

// learn stores the metadata of topics and assigns each partition to the loop of its leader.
func (p *Producer) learn(found []wire.Topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range found {
		f := &found[i]
		t := p.topics[f.Name]
		if t == nil {
			t = &topic{p: p, name: f.Name}
			p.topics[f.Name] = t
		}
		t.learn(f)
	}
	p.place()
}

func (t *topic) learn(f *wire.Topic) {
	err := f.Err
	if err == nil && len(f.Partitions) == 0 {
		err = wire.LeaderNotAvailable // the topic is being created
	}
	if err != nil {
		if t.err == nil {
			t.since = time.Now()
		}
		t.err = &kafkaerr.TopicError{Topic: t.name, Err: err}
		if !wire.Retriable(err) || time.Since(t.since) >= t.p.cfg.UnknownTopicTimeout {
			t.fail(t.err)
		}
		return
	}
	t.err = nil
	n := len(f.Partitions)
	for i := len(t.parts); i < n; i++ {
		t.parts = append(t.parts, &part{topic: t, number: int32(i), id: t.p.id})
	}
	// A broker that lags behind may report fewer partitions. Only another topic of that name has
	// fewer.
	if n > len(t.numbers) || f.ID != t.id {
		t.id, t.sticky = f.ID, nil
		t.numbers = make([]int, n)
		for i := range t.numbers {
			t.numbers[i] = i
		}
	}
	for _, pt := range t.parts {
		at, ok := f.Partitions[pt.number]
		if !ok {
			at.Leader = -1
		}
		pt.leader = at.Leader
	}
}

func (t *topic) fail(err error) {
	for _, pt := range t.parts {
		pt.fail(err)
	}
}

// choose returns the partition of a record. Without a Balancer it works like Java's default: by the
// murmur2 hash of the key. Records without a key go to one partition until a batch of it is full or
// in flight.
func (v *view) choose(m *kafka.Message, size int) (*part, error) {
	b := v.t.p.cfg.Balancer
	if b == nil && m.Key == nil {
		if v.stuck += size; v.sticky == nil || v.stuck > v.t.p.cfg.BatchBytes {
			v.sticky, v.stuck = v.t.stick(v.sticky != nil), size
		}
		return v.sticky, nil
	}
	if b == nil {
		b = byKey
	}
	i := b.Balance(*m, v.numbers...)
	if i < 0 || i >= len(v.numbers) {
		return nil, &BalanceError{Topic: v.t.name, Partition: i, Partitions: len(v.numbers)}
	}
	return v.parts[i], nil
}

var byKey kafka.Balancer = kafka.Murmur2Balancer{}

// stick returns the partition for records without a key. If it is full, stick chooses another one,
// with a leader if possible.
func (t *topic) stick(full bool) *part {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.sticky != nil && t.sticky.loop != nil && !full {
		return t.sticky
	}
	n := len(t.numbers)
	from := rand.IntN(n)
	t.sticky = t.parts[from]
	for i := range n {
		if pt := t.parts[(from+i)%n]; pt.loop != nil {
			t.sticky = pt
			break
		}
	}
	return t.sticky
}
