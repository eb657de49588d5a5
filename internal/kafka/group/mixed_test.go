package group

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startFranz joins a franz-go member that updates the floor; stop makes it leave.
func startFranz(t *testing.T, c site, f *floor, b kgo.GroupBalancer) (stop func()) {
	t.Helper()
	tps := func(m map[string][]int32) (out []wire.TopicPartition) {
		for topic, ps := range m {
			for _, p := range ps {
				out = append(out, wire.PartitionOf(topic, p))
			}
		}
		return out
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumerGroup(groupAt(c)), kgo.ConsumeTopics("group-orders"), kgo.Balancers(b),
		kgo.SessionTimeout(time.Minute), kgo.HeartbeatInterval(20*time.Millisecond), kgo.RebalanceTimeout(time.Minute),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { f.take("franz", tps(m)...) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { f.remove("franz", tps(m)...) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { f.remove("franz", tps(m)...) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl.Close
}

// startKafkaGo joins a member of kafka-go's consumer group, the engine of its Reader.
func startKafkaGo(t *testing.T, c site, f *floor, b kafka.GroupBalancer) (stop func()) {
	t.Helper()
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: groupAt(c), Brokers: c.ListenAddrs(), Topics: []string{"group-orders"}, GroupBalancers: []kafka.GroupBalancer{b},
		HeartbeatInterval: 20 * time.Millisecond, SessionTimeout: time.Minute, RebalanceTimeout: time.Minute, JoinGroupBackoff: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg conc.WaitGroup
	wg.Go(func() {
		for {
			gen, err := cg.Next(ctx)
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				f.update(func() { f.clashes = append(f.clashes, fmt.Sprintf("kafka-go: %v", err)) })
				continue
			}
			var tps []wire.TopicPartition
			for topic, parts := range gen.Assignments {
				for _, p := range parts {
					tps = append(tps, wire.PartitionOf(topic, int32(p.ID)))
				}
			}
			f.take("kafka-go", tps...)
			gen.Start(func(ctx context.Context) {
				<-ctx.Done()
				f.remove("kafka-go", tps...)
			})
		}
	})
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			_ = cg.Close()
			wg.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestOtherClients(t *testing.T) {
	testOtherClients(t, func(t *testing.T) site { return newCluster(t) })
}

func testOtherClients(t *testing.T, at func(*testing.T) site) {
	type other struct {
		name  string
		use   Balancer
		start func(*testing.T, site, *floor) func()
	}
	franz := func(b kgo.GroupBalancer) func(*testing.T, site, *floor) func() {
		return func(t *testing.T, c site, f *floor) func() { return startFranz(t, c, f, b) }
	}
	kafkaGo := func(b kafka.GroupBalancer) func(*testing.T, site, *floor) func() {
		return func(t *testing.T, c site, f *floor) func() { return startKafkaGo(t, c, f, b) }
	}
	for _, o := range []other{
		{"franz", CooperativeSticky, franz(kgo.CooperativeStickyBalancer())},
		{"franz", Sticky, franz(kgo.StickyBalancer())},
		{"franz", Range, franz(kgo.RangeBalancer())},
		{"franz", RoundRobin, franz(kgo.RoundRobinBalancer())},
		{"kafka-go", Range, kafkaGo(kafka.RangeGroupBalancer{})},
		{"kafka-go", RoundRobin, kafkaGo(kafka.RoundRobinGroupBalancer{})},
	} {
		for _, first := range []string{"ours", o.name} {
			t.Run(fmt.Sprintf("%s/%s/%s leads", o.name, o.use, first), func(t *testing.T) {
				t.Parallel()
				c, f := at(t), newFloor()
				ours := newWorker(t, c, f, "ours", func(w *worker) { w.cfg.Balancers = []Balancer{o.use} })
				var stop func()
				if first == "ours" {
					ours.start(t)
					f.awaitShares(t, map[string]int{"ours": 6})
					stop = o.start(t, c, f)
				} else {
					stop = o.start(t, c, f)
					f.awaitShares(t, map[string]int{o.name: 6})
					ours.start(t)
				}
				f.awaitShares(t, map[string]int{"ours": 3, o.name: 3})
				if first == "ours" {
					stop()
					f.awaitShares(t, map[string]int{"ours": 6})
				} else {
					if err := ours.end(t); err != nil {
						t.Error(err)
					}
					f.awaitShares(t, map[string]int{o.name: 6})
				}
				f.check(t)
				if len(ours.lost) > 0 {
					t.Errorf("lost %v: %v", ours.lost, ours.lostErr)
				}
				if o.use == CooperativeSticky && first == "ours" && (len(ours.revoked) != 1 || len(ours.revoked[0]) != 3) {
					t.Errorf("revoked %v, want three partitions once", ours.revoked)
				}
			})
		}
	}
}
