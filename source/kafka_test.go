package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestKafkaReadsAndCommits(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 4, 500)
	got := newRecorder()
	r := run(t, source.Kafka(config(k)).GroupByPartition().Concurrent(4, got.record).CommitEvery(100, 20*time.Millisecond))
	next := make([]int64, 4)
	for _, m := range got.wait(t, 2000) {
		if m.Offset != next[m.Partition] || string(m.Value) != fmt.Sprintf("%d/%d", m.Partition, m.Offset) || string(m.Headers[0].Value) != fmt.Sprint(m.Offset) || m.HighWaterMark != 500 {
			t.Fatalf("partition %d at %d: %+v", m.Partition, next[m.Partition], m)
		}
		next[m.Partition]++
	}
	r.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(4, 500)) {
		t.Fatalf("committed: %v", c)
	}
	// The next worker starts at the committed offsets.
	write(t, prod, "orders", 4, 10)
	got = newRecorder()
	r = run(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1000, 0, stream.ByCountOnly()))
	got.wait(t, 40)
	r.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(4, 510)) {
		t.Errorf("committed: %v", c)
	}
}

func TestKafkaStart(t *testing.T) {
	t.Run("decides where a new group reads from", func(t *testing.T) {
		start := time.Now().Add(-time.Hour)
		for name, c := range map[string]struct {
			start source.Position
			want  int
		}{
			"earliest":            {source.Earliest, 10},
			"latest":              {source.Latest, 0},
			"at a time":           {source.At(start.Add(6 * time.Minute)), 4},
			"at a time after all": {source.At(time.Now().Add(time.Hour)), 0},
			"at an offset":        {source.AtOffset(7), 3},
			"beyond the end":      {source.AtOffset(700), 10}, // Reset decides, which is Earliest
		} {
			t.Run(name, func(t *testing.T) {
				k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
				prod := producer(t, k)
				for i := range 10 {
					rec := &kgo.Record{Topic: "orders", Timestamp: start.Add(time.Duration(i) * time.Minute), Value: fmt.Appendf(nil, "%d", i)}
					if err := prod.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
				cfg := config(k)
				cfg.Start = c.start
				got := newRecorder()
				assigned := make(chan stream.Assigned, 10)
				r := run(t, source.Kafka(cfg).Serial(got.record).CommitEach(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
					if a, ok := e.(stream.Assigned); ok {
						assigned <- a
					}
				}}))
				<-assigned
				write(t, prod, "orders", 1, 1)
				got.wait(t, c.want+1)
				r.stop()
			})
		}
	})
	t.Run("with Fail ends Run", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		cfg := config(k)
		cfg.Start = source.Fail
		r := run(t, source.Kafka(cfg).Serial(newRecorder().record).CommitEach())
		var none *kafkaerr.NoOffsetError
		if err := r.result(); !errors.As(err, &none) || none.Topic != "orders" {
			t.Fatalf("error: %v", err)
		}
	})
}

func TestKafkaGroupWithoutDuplicates(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(6, "orders"))
	prod := producer(t, k)
	got := newRecorder()
	chain := source.Kafka(config(k)).GroupByPartition().Concurrent(8, got.record).CommitEvery(50, 10*time.Millisecond)
	var running []*running
	total := 0
	for i := range 3 {
		running = append(running, run(t, chain))
		if _, err := k.WaitGroupStable(t.Context(), "billing", i+1); err != nil {
			t.Fatal(err)
		}
		write(t, prod, "orders", 6, 50)
		total += 300
		got.wait(t, total)
	}
	running[0].stop()
	if _, err := k.WaitGroupStable(t.Context(), "billing", 2); err != nil {
		t.Fatal(err)
	}
	write(t, prod, "orders", 6, 50)
	got.wait(t, total+300)
	for _, r := range running[1:] {
		r.stop()
	}
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(6, 200)) {
		t.Errorf("committed: %v", c)
	}
}

func TestKafkaOffsetReset(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 1, 20)
	got := newRecorder()
	r := run(t, source.Kafka(config(k)).Serial(got.record).CommitEach())
	got.wait(t, 20)
	r.stop()
	if err := k.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	// the group's offset, if it still exists, is beyond the end of the log
	write(t, producer(t, k), "orders", 1, 5)
	resets := make(chan stream.OffsetReset, 10)
	got = newRecorder()
	r = run(t, source.Kafka(config(k)).Serial(got.record).CommitEach(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if x, ok := e.(stream.OffsetReset); ok {
			resets <- x
		}
	}}))
	got.wait(t, 5)
	if x := <-resets; x.To != 0 || x.Topic != "orders" || x.Policy != "earliest" {
		t.Errorf("reset: %+v", x)
	}
	r.stop()
	if c := committed(t, k, "billing", "orders"); c[0] != 5 {
		t.Errorf("committed: %v", c)
	}
}

// spoiled damages data on its way from the broker while it is on.
type spoiled struct {
	net.Conn
	on *atomic.Bool
}

func (c spoiled) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if i := bytes.Index(b[:n], []byte("poison")); i >= 0 && c.on.Load() {
		b[i] = 'P'
	}
	return n, err
}

func TestKafkaDamagedBatch(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
	prod := producer(t, k)
	for _, v := range []string{"a", "poison", "b"} {
		for p := range 2 {
			if p == 1 && v == "poison" {
				v = "c"
			}
			if err := prod.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: int32(p), Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var on atomic.Bool
	on.Store(true)
	cfg := config(k)
	cfg.Transport = &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return spoiled{c, &on}, err
	}}
	got := newRecorder()
	halts := make(chan stream.Halted, 10)
	p, err := source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0).Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if h, ok := e.(stream.Halted); ok {
			halts <- h
		}
	}}))
	if err != nil {
		t.Fatal(err)
	}
	r := runBuilt(t, p)
	h := <-halts
	var broken *kafkaerr.BatchError
	if !errors.As(h.Err, &broken) || broken.Offset != 1 || h.Meta.Offset != 1 || h.Meta.Partition != 0 {
		t.Fatalf("halt: %+v", h)
	}
	if err := p.Resume(p.Halts()[0]); err != nil {
		t.Fatal(err)
	}
	<-halts // it is still damaged
	if err := p.Skip(p.Halts()[0]); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 5)
	r.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(2, 3)) {
		t.Errorf("committed: %v", c)
	}
}

func TestKafkaMovedLeadersAndCoordinators(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "orders"))
	prod := producer(t, k)
	got := newRecorder()
	r := run(t, source.Kafka(config(k)).GroupByKey().Concurrent(8, got.record).CommitEvery(10, 10*time.Millisecond))
	for i := range 5 {
		write(t, prod, "orders", 3, 20)
		got.wait(t, 60*(i+1))
		k.ShufflePartitionLeaders()
		k.RehashCoordinators()
	}
	write(t, prod, "orders", 3, 20)
	got.wait(t, 360)
	r.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(3, 120)) {
		t.Errorf("committed: %v", c)
	}
}

func TestKafkaLostPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, at, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
		write(t, at.Client, "orders", 1, 1)
		cfg := config(k)
		cfg.Transport = transport
		// applies to the old membership, which only the broker believes to be alive
		cfg.SessionTimeout = time.Second
		started := make(chan struct{}, 2)
		cancelled := make(chan struct{}, 1)
		var times atomic.Int32
		r := run(t, source.Kafka(cfg).Serial(func(ctx context.Context, m kafka.Message) error {
			started <- struct{}{}
			if times.Add(1) == 1 {
				<-ctx.Done()
				cancelled <- struct{}{}
				return ctx.Err()
			}
			return nil
		}).CommitEach())
		<-started
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true})
		<-cancelled
		<-started // again, under the new membership
		r.stop()
		if c := at.Committed("billing", "orders"); c[0] != 1 {
			t.Errorf("committed: %v", c)
		}
	})
}
