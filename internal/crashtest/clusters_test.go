package crashtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Workers merge the clusters a and b, whose groups and topics have the same names. Workers are
// killed, some of them while the only broker of b is down. In that outage, every partition of a is
// handled and committed, and no worker that lives ever loses one. No record is flaky: one could
// halt, since it keeps its failed attempts across restarts.
func TestMergedClustersRealKafka(t *testing.T) {
	beside(t)
	start := time.Now()
	broker := kafkatest.Own(t)
	a, b := kafkatest.At(t, kafkatest.Real(t)), kafkatest.At(t, broker.Brokers)
	topic, group := a.Topic(partitions), kafkatest.Name("crash")
	b.TopicNamed(topic, partitions)
	// in a, a session that no busy machine lets expire; killed workers return under their names
	f := newFleet(t, job{Brokers: a.Brokers, Group: group, Topic: topic, Session: 20 * time.Second,
		Merged: &job{Brokers: b.Brokers, Group: group, Topic: topic, Session: session}})
	plain := func(int, int) string { return "plain" }
	fromA, fromB := flow(t, a, topic, 240, plain), flow(t, b, topic, 240, plain)
	for n := range 3 {
		f.join(fmt.Sprint("static-", n))
	}
	kills, duringOutages := rounds(t), int64(0)
	for n := range kills {
		if n%4 == 2 {
			duringOutages += f.outage(a, topic, broker)
			continue
		}
		p := f.victim()
		f.kill(p)
		f.join(p.Instance)
	}
	endsA, endsB := fromA.end(t), fromB.end(t)
	a.WaitCommitted(group, topic, endsA)
	b.WaitCommitted(group, topic, endsB)
	// One that has not come back to b since the outage would name what b has not heard of from it.
	b.WaitMembers(group, len(f.live))
	f.terminate(f.live...)

	v := f.judge(append(fromA.keys, fromB.keys...), limits{wide: wide, inFlight: inFlight, counted: commitEvery})
	if v.repeated > v.bound {
		t.Errorf("%d records are repeated after crashes, the bound is %d", v.repeated, v.bound)
	}
	lostInB := 0
	es, _, _ := f.log.since(0)
	for _, e := range es {
		switch {
		case e.what != lost:
		case inA(e):
			t.Errorf("%s lost partition %d of a", e.worker, e.partition)
		default:
			lostInB++
		}
	}
	if v.kills != kills || v.takeovers == 0 || duringOutages == 0 {
		t.Errorf("too little happened to prove anything: %v", v)
	}
	t.Logf("%d records of a written and committed while b was down; %d assignments in b lost by survivors; in %v",
		duringOutages, lostInB, time.Since(start).Round(time.Millisecond))
}

// outage kills b's broker, and then a worker, whose replacement starts without b. The broker starts
// again once what has been written to a since the kill is committed. outage returns how many
// records these are.
func (f *fleet) outage(a *kafkatest.Kafka, topic string, broker *kafkatest.Broker) (records int64) {
	f.t.Helper()
	f.atWork()
	broker.Kill()
	from := a.Ends(topic)
	last := f.await("records of a while b is down", 200, func(e entry) bool { return e.what == done && inA(e) && f.named(e.worker) != nil })
	p := f.named(last.worker)
	f.kill(p)
	q := f.join(p.Instance)
	f.await("the replacement to work without b", 20, func(e entry) bool { return e.what == done && e.worker == q.Name && inA(e) })

	for n, end := range a.Ends(topic) {
		if end == from[n] {
			f.t.Fatalf("nothing was written to partition %d of a while b was down", n)
		}
		records += end - from[n]
		f.awaitFrom(0, fmt.Sprintf("a commit of partition %d of a up to %d, while b is down", n, end), 1, func(e entry) bool {
			return e.what == committed && e.partition == int(n) && e.offset >= end
		})
	}
	down := f.now()
	broker.Start()
	f.awaitFrom(down, "a commit in b after its restart", 1, func(e entry) bool { return e.what == committed && !inA(e) })
	return records
}

// inA reports whether the line is about a partition of a.
func inA(e entry) bool { return e.partition < partitions }

// number is that of a partition in the journal. Those of b follow those of a.
func number(tp stream.TopicPartition) int {
	if tp.Source == "b" {
		return partitions + tp.Partition
	}
	return tp.Partition
}

// source reads the topic, merged with that of the other cluster.
func (w *worker) source() stream.Stream[kafka.Message] {
	from := func(j job) stream.Stream[kafka.Message] {
		return source.Kafka(source.KafkaConfig{Brokers: j.Brokers, Group: j.Group, Topics: []string{j.Topic}, InstanceID: w.Instance, ClientID: w.Name,
			SessionTimeout: j.Session, HeartbeatInterval: session / 8, RebalanceTimeout: rebalance, MaxWait: 100 * time.Millisecond})
	}
	if w.Merged == nil {
		return from(w.job)
	}
	return stream.Merge(from(w.job).As("a"), from(*w.Merged).As("b"))
}
