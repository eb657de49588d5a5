package fetch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sinkPart is a Partition that records what it is fed.
type sinkPart struct {
	topic   [16]byte // id to read the topic by; zero: the current one
	mu      sync.Mutex
	changed chan struct{} // closed and replaced by every change
	room    int
	next    int64
	end     int64
	msgs    []kafka.Message
	feeds   int
	halt    error
	resume  int64
	fault   string
	jump    map[int64]int64 // from the offset after a Feed to the one that Next returns then
	epoch   int32           // of the last Feed
}

func part0(next int64, room int) *sinkPart {
	return &sinkPart{next: next, room: room, end: -1, changed: make(chan struct{})}
}

func (p *sinkPart) TopicID() [16]byte { return p.topic }

func (p *sinkPart) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *sinkPart) Room() (int, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halt != nil {
		return 0, 0
	}
	return p.room, 1 << 20
}

func (p *sinkPart) Next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

func (p *sinkPart) Feed(msgs []kafka.Message, next, bytes int64, epoch int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range msgs {
		if m.Offset < p.next {
			p.fault = fmt.Sprintf("offset %d fed at %d", m.Offset, p.next)
		}
		p.next = m.Offset + 1
	}
	if len(msgs) == 0 || len(msgs) > chunk || len(msgs) > p.room || next < p.next || bytes <= 0 {
		p.fault = fmt.Sprintf("%d records, %d bytes, next %d fed with room for %d at %d", len(msgs), bytes, next, p.room, p.next)
	}
	p.next, p.epoch = next, epoch
	if to := p.jump[next]; to > 0 {
		p.next = to
	}
	p.room -= len(msgs)
	p.msgs = append(p.msgs, msgs...)
	p.feeds++
	p.change()
}

func (p *sinkPart) Advance(next, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next < p.next {
		p.fault = fmt.Sprintf("moved back from %d to %d", p.next, next)
	}
	p.next, p.end = next, end
	p.change()
}

func (p *sinkPart) Halt(offset, next int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt, p.resume = err, next
	if offset < p.next {
		p.fault = fmt.Sprintf("halt at %d, position %d", offset, p.next)
	}
	p.change()
}

// until waits for a condition on p.
func (p *sinkPart) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		ok, changed, fault := cond(), p.changed, p.fault
		state := fmt.Sprintf("%d records, next %d, end %d, halt %v", len(p.msgs), p.next, p.end, p.halt)
		p.mu.Unlock()
		if fault != "" {
			t.Fatal(fault)
		}
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited 20 s for %s: %s", what, state)
		}
	}
}

func (p *sinkPart) untilRecords(t *testing.T, n int) {
	t.Helper()
	p.until(t, fmt.Sprintf("%d records", n), func() bool { return len(p.msgs) >= n })
	if len(p.msgs) != n {
		t.Fatalf("%d records, want %d", len(p.msgs), n)
	}
}

// world is a cluster, a client and a running Fetcher.
type world struct {
	*testing.T
	k      *kfake.Cluster
	c      *wire.Client
	f      *Fetcher
	cancel context.CancelFunc
	ended  chan error // buffered; receives Run's result
	events chan Event
}

func start(t *testing.T, k *kfake.Cluster, change func(*Config), topics ...string) *world {
	t.Helper()
	w := &world{T: t, k: k, c: wire.New(wire.Config{Brokers: k.ListenAddrs()}), ended: make(chan error, 1), events: make(chan Event, 1000)}
	if _, err := w.c.Metadata(t.Context(), topics...); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Client: w.c, Decoder: batch.NewDecoder(0), OnReset: func(wire.TopicPartition, int64, int64, bool) {}, OnEvent: func(e Event) {
		select {
		case w.events <- e:
		default:
		}
	}}
	if change != nil {
		change(&cfg)
	}
	w.f = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- w.f.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.c.Close()
	})
	return w
}

func (w *world) result() error {
	w.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(20 * time.Second):
		w.Fatal("Run has not returned")
		return nil
	}
}

func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func producer(t *testing.T, k *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// write writes n records to one partition, in one batch if the producer lingers.
func write(t *testing.T, c *kgo.Client, topic string, partition int32, n int) {
	t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%0100d", i)}
	}
	if err := c.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// tampered is a Client whose responses a test changes or inspects.
type tampered struct {
	Client
	change func(*kmsg.FetchRequest, *kmsg.FetchResponse)
}

func (c tampered) Fetch(ctx context.Context, id int32, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	resp, release, err := c.Client.Fetch(ctx, id, req)
	if err == nil {
		c.change(req, resp)
	}
	return resp, release, err
}
