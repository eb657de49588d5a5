package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/laneway-go/laneway/internal/conformance"
	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// spied is a source that passes its assignments to a test.
type spied struct {
	*kafkaSource
	assigned func(stream.Assignment)
}

func (s spied) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	return s.run(ctx, conformance.Spy{Intake: in, Assigned: s.assigned})
}

func TestKafkaStates(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"by topic id": nil, "by name": {kfake.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			conformance.RunStates(t, func(t *testing.T, limit int) conformance.StateLog {
				c := kafkatest.Fake(t, opts...)
				if limit > 0 {
					limitStates(c, limit)
				}
				return newStateLog(t, c.ListenAddrs())
			})
		})
	}
}

// Brokers that accept no metadata at all still store the offsets.
func TestKafkaStatesRefused(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"by topic id": nil, "by name": {kfake.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.Fake(t, opts...)
			limitStates(c, 0)
			l := newStateLog(t, c.ListenAddrs())
			l.Append(10)
			src, _, stop := l.member(t, 3000)
			l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
			l.Append(10)
			l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 20})
			stop()
			if left := src.Info().StateBytes; left >= 3000 {
				t.Errorf("StateBytes is %d", left)
			}
		})
	}
}

func TestKafkaStatesRealKafka(t *testing.T) {
	brokers := map[int][]string{0: kafkatest.Real(t)} // by their limit
	conformance.RunStates(t, func(sub *testing.T, limit int) conformance.StateLog {
		if brokers[limit] == nil {
			brokers[limit] = kafkatest.Own(t, fmt.Sprintf("offset.metadata.max.bytes=%d", limit)).Brokers
		}
		return newStateLog(sub, brokers[limit])
	})
}

// A group of a thousand partitions stores the largest states and loads them again.
func TestKafkaThousandStatesRealKafka(t *testing.T) {
	const partitions = 1000
	k := kafkatest.At(t, kafkatest.Real(t))
	l := &stateLog{Kafka: k, topic: k.Topic(partitions), group: kafkatest.Name("states")}
	src, assigned, stop := l.member(t, wire.StateBytes)
	at := map[stream.TopicPartition]stream.Position{}
	for range partitions {
		a := receive(t, assigned, "the assignments")
		at[a.TopicPartition] = stream.Position{Offset: a.Next, TopicID: a.TopicID}
	}
	start := time.Now()
	if err := src.Commit(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	t.Logf("stored within %v", time.Since(start))
	stop()
	start = time.Now()
	_, assigned, stop = l.member(t, 0)
	for range partitions {
		if a := receive(t, assigned, "the assignments"); a.Committed != 0 || len(a.State) != wire.StateBytes {
			t.Fatalf("%v was assigned at %d with a state of %d bytes", a.TopicPartition, a.Committed, len(a.State))
		}
	}
	t.Logf("loaded within %v", time.Since(start))
	stop()
}

// Brokers that tell their limit need not refuse a state first.
func TestKafkaStateLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  int
		bytes  int // as Info tells
		denied bool
	}{
		"lower than the default":  {limit: 1000, bytes: 1000 - wire.NoteBytes},
		"higher than the default": {limit: 10_000, bytes: 10_000 - wire.NoteBytes},
		"huge":                    {limit: 100 << 20, bytes: largestState},
		"nothing":                 {limit: 0, bytes: 0},
		"not to be asked for":     {limit: 1000, bytes: 4000 / 2, denied: true}, // learned from one refusal
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.Fake(t, kfake.BrokerConfigs(map[string]string{"offset.metadata.max.bytes": strconv.Itoa(tc.limit)}))
			if tc.denied {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
			}
			refused := limitStates(c, tc.limit)
			l := newStateLog(t, c.ListenAddrs())
			l.Append(10)
			src, _, stop := l.member(t, 4000)
			l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
			stop()
			if got := src.Info().StateBytes; got != tc.bytes {
				t.Errorf("StateBytes is %d, want %d", got, tc.bytes)
			}
			if (refused.Hits() > 0) != tc.denied {
				t.Errorf("%d commits were refused", refused.Hits())
			}
		})
	}
}

// limitStates makes a fake refuse metadata of more than limit bytes, as brokers do.
func limitStates(c *kfake.Cluster, limit int) *kfake.FaultHandle {
	return c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: -1, When: func(r kmsg.Request) bool {
		for _, t := range r.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range t.Partitions {
				if p.Metadata != nil && len(*p.Metadata) > limit {
					return true
				}
			}
		}
		return false
	}})
}

// stateLog is a topic of one partition, and a group.
type stateLog struct {
	*kafkatest.Kafka
	topic, group string
}

func newStateLog(t *testing.T, brokers []string) *stateLog {
	k := kafkatest.At(t, brokers)
	return &stateLog{Kafka: k, topic: k.Topic(1), group: kafkatest.Name("states")}
}

func (l *stateLog) Append(n int) {
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Value: []byte("v")}
	}
	l.Produce(l.topic, recs...)
}

func (l *stateLog) Foreign(offset int64) {
	l.WaitMembers(l.group, 0)
	l.Commit(l.group, l.topic, 0, offset, "")
}

func (l *stateLog) Recreate() { l.Kafka.Recreate(l.topic, 1) }

func (l *stateLog) config() KafkaConfig {
	return KafkaConfig{Brokers: l.Brokers, Group: l.group, Topics: []string{l.topic}, HeartbeatInterval: 100 * time.Millisecond}
}

func (l *stateLog) Source(assigned func(stream.Assignment)) stream.Source[kafka.Message] {
	return spied{newKafkaSource(l.config()), assigned}
}

// storing is a source that stores a state of that many bytes with each offset.
type storing struct {
	spied
	bytes int
}

func (s storing) Commit(ctx context.Context, at map[stream.TopicPartition]stream.Position) error {
	with := map[stream.TopicPartition]stream.Position{}
	for tp, p := range at {
		p.State = strings.Repeat("s", s.bytes)
		with[tp] = p
	}
	return s.spied.Commit(ctx, with)
}

// member runs the log's next member until the test ends or stop is called. Its handler does
// nothing; it stores states of that many bytes.
func (l *stateLog) member(t *testing.T, bytes int) (src storing, assigned chan stream.Assignment, stop func()) {
	t.Helper()
	assigned = make(chan stream.Assignment, 1000)
	src = storing{spied{newKafkaSource(l.config()), func(a stream.Assignment) { assigned <- a }}, bytes}
	p, err := stream.From(func() stream.Source[kafka.Message] { return src }).
		Serial(func(context.Context, kafka.Message) error { return nil }).
		CommitEvery(1000, 20*time.Millisecond).
		Build()
	if err != nil {
		t.Fatal(err)
	}
	return src, assigned, running(t, p)
}

// running runs a pipeline until the test ends or stop is called.
func running(t *testing.T, p *stream.Pipeline) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg conc.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// receive receives from a channel.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case x := <-c:
		return x
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s for %s", what)
		panic("unreachable")
	}
}

func TestKafkaStateEpoch(t *testing.T) {
	c := kafkatest.Fake(t, kfake.NumBrokers(2), kfake.ClusterID("blue"))
	l := newStateLog(t, c.ListenAddrs())
	epoch := func() int32 { return c.PartitionInfo(l.topic, 0).Epoch }
	move := func() {
		t.Helper()
		if err := c.MoveTopicPartition(l.topic, 0, 1-c.LeaderFor(l.topic, 0)); err != nil {
			t.Fatal(err)
		}
	}
	l.Append(10)
	first := epoch()
	move()
	l.Append(10)
	for name, tc := range map[string]struct {
		epoch int32
		state string
		fault *kfake.Fault
		want  int64
		asked int
	}{
		"earlier leader":   {epoch: first, state: "s", want: 10, asked: 1},
		"current leader":   {epoch: epoch(), state: "s", want: 20, asked: 1},
		"unknown epoch":    {epoch: epoch() + 7, state: "s", want: 5, asked: 1},
		"no epoch":         {epoch: -1, state: "s", want: 5},
		"no state":         {epoch: first, want: 5},
		"leader has moved": {epoch: first, state: "s", want: 10, asked: 1, fault: &kfake.Fault{Err: kerr.NotLeaderForPartition, Count: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &stateLog{Kafka: l.Kafka, topic: l.topic, group: kafkatest.Name("states")}
			asked := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, Observe: true, Count: -1})
			defer asked.Remove()
			if tc.fault != nil {
				tc.fault.Keys = []kmsg.Key{kmsg.OffsetForLeaderEpoch}
				c.Fault(*tc.fault)
			}
			l.CommitEpoch(l.group, l.topic, 0, 5, tc.epoch, tc.state)
			_, assigned, stop := l.member(t, 0)
			a := receive(t, assigned, "the assignment")
			stop()
			if a.Committed != 5 || a.Next != 5 || a.State != tc.state || a.LogEnd != tc.want || a.Scope != "blue/"+l.group {
				t.Errorf("assigned %+v, want LogEnd %d", a, tc.want)
			}
			if got := asked.Hits(); min(got, 1) != tc.asked {
				t.Errorf("the leader was asked %d times", got)
			}
		})
	}
}

func TestKafkaStateStoresNewestEpoch(t *testing.T) {
	c := kafkatest.Fake(t, kfake.NumBrokers(2))
	l := newStateLog(t, c.ListenAddrs())
	stored := func() kfake.GroupCommit { return c.GroupInfo(l.group).Commits[l.topic][0] }
	l.Append(10)
	_, _, stop := l.member(t, 0)
	l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
	if at := stored(); at.LeaderEpoch != c.PartitionInfo(l.topic, 0).Epoch {
		t.Errorf("stored %+v", at)
	}
	stop()
	l.WaitMembers(l.group, 0)
	// The state's epoch is newer than that of the first records read.
	if err := c.MoveTopicPartition(l.topic, 0, 1-c.LeaderFor(l.topic, 0)); err != nil {
		t.Fatal(err)
	}
	newer := c.PartitionInfo(l.topic, 0).Epoch
	l.CommitEpoch(l.group, l.topic, 0, 5, newer, "s")
	_, _, stop = l.member(t, 0)
	l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
	stop()
	if at := stored(); at.LeaderEpoch != newer {
		t.Errorf("stored %+v, want epoch %d", at, newer)
	}
}

// A leader that answers with errors for too long does not keep a partition from being read.
func TestKafkaStateUnbounded(t *testing.T) {
	c := kafkatest.Fake(t)
	l := newStateLog(t, c.ListenAddrs())
	client := wire.New(wire.Config{Brokers: l.Brokers})
	defer client.Close()
	if _, err := client.Metadata(t.Context(), l.topic); err != nil {
		t.Fatal(err)
	}
	var events []stream.Event
	s := &kafkaSource{client: client, in: emitter(func(e stream.Event) { events = append(events, e) })}
	tp := wire.TopicPartition{Topic: l.topic}
	w := &wanted{tp: tp, stored: &assignment{stream.Assignment{TopicPartition: streamed(tp), Committed: 5, State: "s"}, 0}}
	for err, want := range map[*kerr.Error]bool{kerr.UnknownServerError: true, kerr.NotLeaderForPartition: true, kerr.LeaderNotAvailable: false, kerr.TopicAuthorizationFailed: false} {
		for _, late := range []bool{false, true} {
			events, w.since = nil, time.Now()
			if late {
				w.since = w.since.Add(-boundWithin)
			}
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, Err: err, Count: -1})
			_, failed := s.ends(t.Context(), query{leader: fetch.Leader(client, tp)}, []*wanted{w})
			fault.Remove()
			if starts := failed[tp] == nil; starts != (want && late) || starts != (len(events) == 1) {
				t.Errorf("%s, late %v: failed %v, events %v", err.Message, late, failed, events)
			}
		}
	}
}

// emitter is an intake that only receives events.
type emitter func(stream.Event)

func (f emitter) Emit(e stream.Event) { f(e) }
func (emitter) Assign(context.Context, ...stream.Assignment) ([]*stream.Partition[kafka.Message], error) {
	panic("unexpected Assign")
}
func (emitter) Revoke(context.Context, ...*stream.Partition[kafka.Message]) {}
func (emitter) Lose(error, ...*stream.Partition[kafka.Message])             {}
func (emitter) SetHealth(error)                                             {}
func (emitter) Trouble(stream.TopicPartition, error)                        {}
