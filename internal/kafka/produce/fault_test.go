package produce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRetry(t *testing.T) {
	t.Run("keeps the order and writes nothing twice", func(t *testing.T) {
		for _, e := range []*kerr.Error{kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable,
			kerr.NotCoordinator, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.ConcurrentTransactions, kerr.KafkaStorageError,
			kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch} {
			t.Run(e.Message, func(t *testing.T) {
				t.Parallel()
				c, k, topic := fake(t, 3)
				p := producer(t, c.ListenAddrs(), nil, nil)
				put(t, p, topic) // write nothing
				first := true
				f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 6, When: func(kmsg.Request) bool {
					fails := first || rand.IntN(2) == 0
					first = false
					return fails
				}})
				storm(t, k, p, topic, 4, 400)
				if f.Hits() == 0 {
					t.Error("no request failed")
				}
			})
		}
	})
	t.Run("after a lost response writes nothing twice", func(t *testing.T) {
		c, k, topic := fake(t, 3, kfake.NumBrokers(2))
		flaking, lost := kafkatest.Flaky(nil, 12)
		p := producer(t, c.ListenAddrs(), flaking, nil)
		storm(t, k, p, topic, 4, 1500)
		if lost.Load() == 0 {
			t.Error("no answer was lost")
		}
	})
	t.Run("follows a partition's leader", func(t *testing.T) {
		c, k, topic := fake(t, 4, kfake.NumBrokers(3))
		p := producer(t, c.ListenAddrs(), nil, nil)
		for from := 0; from < 3000; from += 100 { // each round moves a leader during the writes of four writers
			var round sync.WaitGroup
			round.Go(func() {
				if err := c.MoveTopicPartition(topic, rand.Int32N(4), rand.Int32N(3)); err != nil {
					t.Error(err)
				}
			})
			for w := range 4 {
				round.Go(func() { put(t, p, topic, numbered(w, from, 100)...) })
			}
			round.Wait()
		}
		once(t, k.Records(topic), 4, 3000)
	})
}

func TestDelivery(t *testing.T) {
	t.Run("of a record that is too large fails alone", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic := k.Topic(1, "max.message.bytes=2000")
		p := producer(t, c.ListenAddrs(), nil, nil)
		msgs := numbered(0, 0, 500)
		msgs = append(msgs[:300:300], append([]kafka.Message{{Key: []byte("large"), Value: make([]byte, 3000)}, {Key: []byte("huge"), Value: make([]byte, 200_000)}}, msgs[300:]...)...)
		failed, err := try(t, p, topic, msgs...)
		var byTopic, byUs *kafkaerr.TooLargeError
		if err != nil || len(failed) != 2 || !errors.As(failed[300], &byTopic) || !errors.As(failed[301], &byUs) {
			t.Fatalf("failed: %v %v", failed, err)
		}
		if !errors.Is(byTopic, kafka.MessageSizeTooLarge) || byUs.Limit != 100_000 {
			t.Errorf("%v; %v", byTopic, byUs)
		}
		once(t, k.Records(topic), 1, 500)
	})
	inVirtualTime(t, "fails after DeliveryTimeout", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 2)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) {
			cfg.DeliveryTimeout = 2 * time.Second
			cfg.Balancer = kafka.BalancerFunc(func(m kafka.Message, ps ...int) int { return int(m.Key[0] - '0') })
		})
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{0}, Err: kerr.NotEnoughReplicas, Count: -1})
		stuck := kafka.Message{Key: []byte("0"), Value: []byte("stuck")}
		failed, err := try(t, p, topic, stuck, kafka.Message{Key: []byte("1"), Value: []byte("fine")})
		var late *kafkaerr.DeliveryError
		for {
			if err != nil || len(failed) != 1 || !errors.As(failed[0], &late) || !errors.Is(late, kafka.NotEnoughReplicas) {
				t.Fatalf("failed: %v %v", failed, err)
			}
			if !late.Sent {
				break
			}
			failed, err = try(t, p, topic, stuck) // an attempt was in flight at the deadline
		}
		f.Remove()
		put(t, p, topic, kafka.Message{Key: []byte("0"), Value: []byte("again")})
		var got []string
		for _, r := range k.Records(topic) {
			got = append(got, fmt.Sprint(r.Partition, " ", string(r.Value)))
		}
		if len(got) != 2 {
			t.Error(got)
		}
	})
	inVirtualTime(t, "of a batch in flight fails after DeliveryTimeout", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
		put(t, p, topic, numbered(0, 0, 1)...)
		hold := make(chan struct{})
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.SleepControl(func() { <-hold })
			return nil, nil, false
		})
		failed, err := try(t, p, topic, numbered(0, 1, 1)...)
		var late *kafkaerr.DeliveryError
		if err != nil || !errors.As(failed[0], &late) || !late.Sent {
			t.Errorf("failed: %v %v", failed, err)
		}
		close(hold) // the late response is ignored, but the write counts
		put(t, p, topic, numbered(0, 2, 1)...)
		once(t, k.Records(topic), 1, 3)
	})
	// A failed batch may be in the log. If the next batch had its sequence, the broker would drop it
	// silently as a duplicate.
	inVirtualTime(t, "after a failed batch is not taken for a duplicate", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
		put(t, p, topic, numbered(0, 0, 10)...)
		// the broker appends, but reports a timeout
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: -1})
		failed, err := try(t, p, topic, numbered(0, 10, 10)...)
		if err != nil || len(failed) != 10 {
			t.Fatalf("%d failed: %v", len(failed), err)
		}
		f.Remove()
		put(t, p, topic, numbered(0, 20, 10)...)
		once(t, k.Records(topic), 1, 30)
	})
}

func TestTopic(t *testing.T) {
	inVirtualTime(t, "that is unknown fails after UnknownTopicTimeout, then at once", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 1, kfake.AllowAutoTopicCreation())
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.UnknownTopicTimeout = time.Second })
		for i := range 2 {
			began := time.Now()
			failed, err := try(t, p, "", kafka.Message{Topic: topic, Value: []byte("1")}, kafka.Message{Topic: "nowhere", Value: []byte("2")})
			var unknown *kafkaerr.TopicError
			if err != nil || len(failed) != 1 || !errors.As(failed[1], &unknown) || unknown.Topic != "nowhere" || !errors.Is(unknown, kafka.UnknownTopicOrPartition) {
				t.Fatalf("failed: %v %v", failed, err)
			}
			if took := time.Since(began); i == 0 && took < time.Second || i == 1 && took != 0 {
				t.Errorf("write %d took %v", i+1, took)
			}
		}
		if len(k.Records(topic)) != 2 || c.TopicInfo("nowhere") != nil {
			t.Error("records of the known topic are missing, or the unknown topic was created")
		}
	})
	t.Run("that is being created is waited for", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		p := producer(t, c.ListenAddrs(), nil, nil)
		asked := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Observe: true, Count: -1})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			put(t, p, "soon", numbered(0, 0, 10)...)
		}()
		asked.Wait(t.Context(), 1)
		if err := c.CreateTopic("soon", 2, nil); err != nil {
			t.Fatal(err)
		}
		<-ended
		once(t, k.Records("soon"), 1, 10)
	})
	// A key that maps to a removed partition would fail as long as the producer lives.
	inVirtualTime(t, "that was recreated with fewer partitions is written to", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 6)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = 2 * time.Second })
		msgs := make([]kafka.Message, 30)
		for i := range msgs {
			msgs[i].Key = fmt.Append(nil, i)
		}
		put(t, p, topic, msgs...)
		if err := errors.Join(c.DeleteTopic(topic), c.CreateTopic(topic, 2, nil)); err != nil {
			t.Fatal(err)
		}
		for { // records queued for the old topic fail
			failed, err := try(t, p, topic, msgs...)
			if err != nil {
				t.Fatal(err)
			}
			if len(failed) == 0 {
				break
			}
		}
		seen := map[string]bool{}
		for _, r := range k.Records(topic) {
			seen[string(r.Key)] = true
		}
		if len(seen) != len(msgs) {
			t.Errorf("%d of %d keys were written", len(seen), len(msgs))
		}
	})
	t.Run("that is not authorised fails at once", func(t *testing.T) {
		c, k, topic := fake(t, 1)
		other := k.Topic(1)
		p := producer(t, c.ListenAddrs(), nil, nil)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		failed, err := try(t, p, "", kafka.Message{Topic: topic, Value: []byte("1")}, kafka.Message{Topic: other, Value: []byte("2")})
		var denied *kafkaerr.TopicError
		if err != nil || len(failed) != 1 || !errors.As(failed[0], &denied) || !errors.Is(denied, kafka.TopicAuthorizationFailed) || denied.Topic != topic {
			t.Errorf("failed: %v %v", failed, err)
		}
		if len(k.Records(other)) != 1 {
			t.Error("the record of the other topic is missing")
		}
	})
}

func TestDeliveryError(t *testing.T) {
	overdue := func(t *testing.T, failed map[int]error, err error) *kafkaerr.DeliveryError {
		t.Helper()
		var late *kafkaerr.DeliveryError
		if err != nil || !errors.As(failed[0], &late) {
			t.Fatalf("failed: %v %v", failed, err)
		}
		return late
	}
	for e, may := range map[*kerr.Error]bool{kerr.NotEnoughReplicas: false, kerr.NotEnoughReplicasAfterAppend: true, kerr.RequestTimedOut: true, kerr.NotLeaderForPartition: true} {
		inVirtualTime(t, fmt.Sprintf("says after %s whether the record may be written: %v", e.Message, may), func(t *testing.T) {
			c, _, topic, transport := virtualFake(t, 1)
			p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: -1})
			failed, err := try(t, p, topic, numbered(0, 0, 1)...)
			if late := overdue(t, failed, err); late.Sent != may {
				t.Error(late)
			}
		})
	}
	inVirtualTime(t, "says that a record queued behind another was not written", func(t *testing.T) {
		c, _, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
		got, hold := make(chan struct{}), make(chan struct{})
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.SleepControl(func() { close(got); <-hold })
			return nil, nil, false
		})
		t.Cleanup(func() { close(hold) })
		first := make(chan error, 1)
		go func() {
			failed, err := try(t, p, topic, numbered(0, 0, 1)...)
			first <- errors.Join(err, failed[0])
		}()
		<-got
		failed, err := try(t, p, topic, numbered(0, 1, 1)...)
		if late := overdue(t, failed, err); late.Sent {
			t.Error(late)
		}
		if late := overdue(t, map[int]error{0: <-first}, nil); !late.Sent {
			t.Error(late)
		}
	})
	for name, unreached := range map[string]func(context.Context) error{
		"is silent": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"refuses":   func(context.Context) error { return syscall.ECONNREFUSED },
	} {
		inVirtualTime(t, "says that nothing was written if no broker was reached, which "+name, func(t *testing.T) {
			c, k, topic, transport := virtualFake(t, 1)
			var cut atomic.Bool
			dial := transport.Dial
			transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if cut.Load() {
					return nil, unreached(ctx)
				}
				return dial(ctx, network, addr)
			}
			p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
			if err := p.Find(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
			cut.Store(true) // connections for records come later
			failed, err := try(t, p, topic, numbered(0, 0, 1)...)
			if late := overdue(t, failed, err); late.Sent {
				t.Error(late)
			}
			cut.Store(false)
			put(t, p, topic, numbered(0, 0, 1)...)
			once(t, k.Records(topic), 1, 1)
		})
	}
	inVirtualTime(t, "says that a record may be written whose partition the response lacks", func(t *testing.T) {
		c, _, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			return req.ResponseKind(), nil, true
		})
		failed, err := try(t, p, topic, numbered(0, 0, 1)...)
		if late := overdue(t, failed, err); !late.Sent {
			t.Error(late)
		}
	})
	inVirtualTime(t, "says that the records of a split batch may be written if they may before", func(t *testing.T) {
		c, _, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.DeliveryTimeout = time.Second })
		errs := []*kerr.Error{kerr.RequestTimedOut, kerr.MessageTooLarge}
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			err := kerr.NotEnoughReplicas
			if len(errs) > 0 {
				err, errs = errs[0], errs[1:]
			}
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			for _, t := range req.(*kmsg.ProduceRequest).Topics {
				rt := kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
				for _, p := range t.Partitions {
					rt.Partitions = append(rt.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: err.Code})
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		failed, err := try(t, p, topic, numbered(0, 0, 2)...)
		for i := range 2 {
			if late := overdue(t, map[int]error{0: failed[i]}, err); !late.Sent {
				t.Error(late)
			}
		}
	})
}

func TestEpoch(t *testing.T) {
	t.Run("at its limit gets a new producer id", func(t *testing.T) {
		c, k, topic := fake(t, 1)
		p := producer(t, c.ListenAddrs(), nil, nil)
		put(t, p, topic, numbered(0, 0, 1)...)
		pt := p.topics[topic].parts[0]
		p.mu.Lock()
		old := pt.id.id
		pt.id.epoch = 1<<15 - 1
		pt.bump()
		p.mu.Unlock()
		put(t, p, topic, numbered(0, 1, 1)...)
		p.mu.Lock()
		defer p.mu.Unlock()
		if pt.id.id == old || pt.id.epoch != 0 {
			t.Errorf("identity %+v after %d", pt.id, old)
		}
		once(t, k.Records(topic), 1, 2)
	})
}

func TestClose(t *testing.T) {
	t.Run("fails unacknowledged records", func(t *testing.T) {
		c, _, topic := fake(t, 1)
		p := producer(t, c.ListenAddrs(), nil, nil)
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
		ended := make(chan map[int]error)
		go func() {
			failed, _ := try(t, p, topic, numbered(0, 0, 1)...)
			ended <- failed
		}()
		f.Wait(t.Context(), 1)
		p.Close()
		if failed := <-ended; !errors.Is(failed[0], wire.ErrClosed) {
			t.Error(failed)
		}
	})
}
