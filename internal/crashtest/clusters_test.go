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

// Workers merge the clusters a and b, whose groups and topics have the same names. The workers are
// killed, some of them while the only broker of b is down. Such an outage outlives the sessions in
// b. No partition of a is ever lost by a worker that lives, and b's outage delays none of them.
func TestMergedClustersRealKafka(t *testing.T) {
	start := time.Now()
	broker := kafkatest.Own(t)
	a, b := kafkatest.At(t, kafkatest.Real(t)), kafkatest.At(t, broker.Brokers)
	topic, group := a.Topic(partitions), kafkatest.Name("crash")
	b.TopicNamed(topic, partitions)
	// in a, a session that no busy machine lets expire; killed workers return under their names
	f := newFleet(t, job{Brokers: a.Brokers, Group: group, Topic: topic, Session: 20 * time.Second,
		Merged: &job{Brokers: b.Brokers, Group: group, Topic: topic, Session: session}})
	value := func(_, n int) string {
		if n%61 == 7 {
			return flaky
		}
		return "plain"
	}
	fromA, fromB := flow(t, a, topic, 240, value), flow(t, b, topic, 240, value)
	for n := range 3 {
		f.join(fmt.Sprint("static-", n))
	}
	kills, duringOutages := rounds(t), 0
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
	t.Logf("%d records of a written while b was down, and handled before it was back; %d assignments in b lost by survivors; in %v",
		duringOutages, lostInB, time.Since(start).Round(time.Millisecond))
}

// outage kills b's broker, and then a worker, whose replacement starts without b. Before it starts
// the broker again, it waits until what was written to a since the kill is done. It returns how
// many records that were.
func (f *fleet) outage(a *kafkatest.Kafka, topic string, broker *kafkatest.Broker) int {
	f.t.Helper()
	f.atWork()
	broker.Kill()
	from := a.Ends(topic)
	last := f.await("records of a while b is down", 200, func(e entry) bool { return e.what == done && inA(e) && f.named(e.worker) != nil })
	p := f.named(last.worker)
	f.kill(p)
	q := f.join(p.Instance)
	f.await("the replacement to work without b", 20, func(e entry) bool { return e.what == done && e.worker == q.Name && inA(e) })

	type record struct {
		partition int
		offset    int64
	}
	due := map[record]bool{}
	for n, end := range a.Ends(topic) {
		if end == from[n] {
			f.t.Fatalf("nothing was written to partition %d of a during the outage", n)
		}
		for offset := from[n]; offset < end; offset++ {
			due[record{int(n), offset}] = true
		}
	}
	records := len(due)
	f.awaitFrom(0, "what was written to a while b is down to be done", records, func(e entry) bool {
		r := record{e.partition, e.offset}
		if e.what != done || !due[r] {
			return false
		}
		delete(due, r)
		return true
	})
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
