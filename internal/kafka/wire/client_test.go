package wire

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestMetadata(t *testing.T) {
	t.Run("names leaders and brokers", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "orders"))
		c := client(t, Config{Brokers: k.ListenAddrs()[:1]})
		topics, err := c.Metadata(within(t, 10*time.Second), "orders")
		if err != nil {
			t.Fatal(err)
		}
		if len(topics) != 1 || topics[0].Err != nil || len(topics[0].Partitions) != 4 || topics[0].ID == ([16]byte{}) {
			t.Fatalf("metadata: %+v", topics)
		}
		for p, at := range topics[0].Partitions {
			if want := k.LeaderFor("orders", p); at.Leader != want {
				t.Errorf("partition %d: leader %d, want %d", p, at.Leader, want)
			}
		}
		if len(c.addresses()) != 3 {
			t.Errorf("addresses: %v", c.addresses())
		}
	})
	t.Run("never creates a topic", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.AllowAutoTopicCreation())
		c := client(t, Config{Brokers: k.ListenAddrs()})
		topics, err := c.Metadata(within(t, 10*time.Second), "nowhere")
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(topics[0].Err, UnknownTopicOrPartition) || !errors.Is(topics[0].Err, kafka.UnknownTopicOrPartition) {
			t.Errorf("error: %v", topics[0].Err)
		}
		if k.TopicInfo("nowhere") != nil {
			t.Error("asking for the topic created it")
		}
	})
	t.Run("is read despite a dead seed broker", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		dead := l.Addr().String()
		l.Close()
		c := client(t, Config{Brokers: append([]string{dead}, k.ListenAddrs()...)})
		if _, err := c.Metadata(within(t, 20*time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestVersionsOfOlderBrokers(t *testing.T) {
	old := kversion.V2_4_0()
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.MaxVersions(old))
	c := client(t, Config{Brokers: k.ListenAddrs()})
	topics, err := c.Metadata(within(t, 10*time.Second), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if topics[0].ID != ([16]byte{}) {
		t.Error("a topic id from a 2.4 broker, which has none")
	}
	resp, release, err := c.Fetch(within(t, 10*time.Second), topics[0].Partitions[0].Leader, fetchOf(topics[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if want, _ := old.LookupMaxKeyVersion(int16(kmsg.Fetch)); resp.Version != want {
		t.Errorf("fetch in version %d, want %d", resp.Version, want)
	}
}

func TestFetch(t *testing.T) {
	t.Run("uses topic ids only if all are known", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		c := client(t, Config{Brokers: k.ListenAddrs()})
		topics, err := c.Metadata(within(t, 10*time.Second), "orders")
		if err != nil {
			t.Fatal(err)
		}
		leader := topics[0].Partitions[0].Leader
		resp, release, err := c.Fetch(within(t, 10*time.Second), leader, fetchOf(topics[0]))
		if err != nil {
			t.Fatal(err)
		}
		release()
		if resp.Version <= byNameOnly || resp.Topics[0].TopicID != topics[0].ID {
			t.Errorf("version %d, topic %+v", resp.Version, resp.Topics[0])
		}
		topics[0].ID = [16]byte{}
		resp, release, err = c.Fetch(within(t, 10*time.Second), leader, fetchOf(topics[0]))
		if err != nil {
			t.Fatal(err)
		}
		release()
		if resp.Version != byNameOnly || resp.Topics[0].Topic != "orders" {
			t.Errorf("version %d, topic %+v", resp.Version, resp.Topics[0])
		}
	})
	t.Run("closes its connection when cancelled", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		c := client(t, Config{Brokers: k.ListenAddrs()})
		topics, err := c.Metadata(within(t, 10*time.Second), "orders")
		if err != nil {
			t.Fatal(err)
		}
		received := make(chan struct{}, 1)
		k.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			select {
			case received <- struct{}{}:
			default:
			}
			return nil, nil, false
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		req := fetchOf(topics[0])
		req.MaxWaitMillis = 60_000
		start := time.Now()
		go func() {
			_, _, err := c.Fetch(ctx, topics[0].Partitions[0].Leader, req)
			ended <- err
		}()
		<-received
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("cancelling took %v", took)
		}
	})
}

func fetchOf(topic Topic) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 1, 1, 1<<20
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic, ft.TopicID = topic.Name, topic.ID
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.PartitionMaxBytes = 1 << 20
	ft.Partitions = append(ft.Partitions, fp)
	req.Topics = append(req.Topics, ft)
	return req
}

func TestUnreachableBrokerIsNamedAndRetriable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := client(t, Config{Brokers: []string{addr}})
	_, err = c.Metadata(within(t, 20*time.Second), "orders")
	var unreachable *kafkaerr.UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Addr != addr {
		t.Fatalf("error: %v", err)
	}
	if !Retriable(err) || Fatal(err) {
		t.Errorf("retriable %v, fatal %v: %v", Retriable(err), Fatal(err), err)
	}
}

func TestMovedCoordinator(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3))
	c := client(t, Config{Brokers: k.ListenAddrs()})
	ctx := within(t, 20*time.Second)
	lookups := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Observe: true, Count: -1})
	beat := func() Code {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID = "g", "m"
		r, err := c.Group(ctx, "g", req)
		if err != nil {
			t.Fatal(err)
		}
		return Code(r.(*kmsg.HeartbeatResponse).ErrorCode)
	}
	beat()
	beat()
	if n := lookups.Hits(); n != 1 {
		t.Errorf("%d lookups for two requests, want 1", n)
	}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.NotCoordinator, TopLevel: true})
	if code := beat(); code != NotCoordinator {
		t.Fatalf("code: %v", code)
	}
	beat()
	if n := lookups.Hits(); n != 2 {
		t.Errorf("%d lookups after the coordinator moved, want 2", n)
	}
}

// A coordinator that freezes may have been replaced: each failure has it looked up again.
func TestFrozenCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _, transport := kafkatest.Virtual(t, kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094))
		frozen := k.ListenAddrs()[k.CoordinatorFor("g")]
		var moved atomic.Bool
		k.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if !moved.Load() {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
			resp.NodeID = (k.CoordinatorFor("g") + 1) % 3
			host, port, _ := net.SplitHostPort(k.ListenAddrs()[resp.NodeID])
			n, _ := strconv.Atoi(port)
			resp.Host, resp.Port = host, int32(n)
			return resp, nil, true
		})
		kafkatest.Freeze(transport, frozen)
		c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport})
		beat := func() error {
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.MemberID = "g", "m"
			_, err := c.Group(within(t, time.Minute), "g", req)
			return err
		}
		for range 2 {
			start := time.Now()
			if err := beat(); err == nil || time.Since(start) > 7*time.Second {
				t.Errorf("it failed after %v: %v", time.Since(start), err)
			}
		}
		moved.Store(true)
		if err := beat(); err != nil {
			t.Error(err)
		}
	})
}

func TestClosedClient(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	closed := func(t *testing.T) *Client {
		c := New(Config{Brokers: k.ListenAddrs()})
		if _, err := c.Metadata(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		return c
	}
	t.Run("refuses requests", func(t *testing.T) {
		if _, err := closed(t).Metadata(within(t, 10*time.Second)); !errors.Is(err, ErrClosed) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("is not kept in memory by its Transports", func(t *testing.T) {
		// A Transport forgets its idle connections only after 30 s.
		kept := weak.Make(closed(t))
		for ctx := within(t, 10*time.Second); kept.Value() != nil; runtime.GC() {
			if ctx.Err() != nil {
				t.Fatal("the client is still there")
			}
		}
	})
}
