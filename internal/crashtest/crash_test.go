package crashtest

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

const ends = 20 // workers that end in a test

// Half of the workers are static members, which return under their name. The partitions of the
// others wait until the session times out.
var instances = []string{"static-1", "", "static-2", ""}

func start(t *testing.T, k *kafkatest.Kafka, session time.Duration, value func(partition, n int) string) (*fleet, *traffic, string) {
	t.Helper()
	topic := k.Topic(partitions)
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("crash"), Topic: topic, Session: session})
	tr := flow(t, k, topic, 480, value)
	for _, instance := range instances {
		f.join(instance)
	}
	return f, tr, topic
}

// finish waits until all records are committed, ends the workers and judges.
func finish(t *testing.T, k *kafkatest.Kafka, f *fleet, tr *traffic, topic string) *verdict {
	t.Helper()
	k.WaitCommitted(f.job.Group, topic, tr.end(t))
	f.terminate(f.live...)
	return f.judge(tr.keys, limits{wide: wide, inFlight: inFlight, counted: commitEvery})
}

// replace usually starts another worker for the nth that ended: a static member returns under its
// name, and at least three run.
func (f *fleet) replace(n int, p *process) {
	if n%5 != 0 || p.Instance != "" || len(f.live) < 3 {
		f.join(p.Instance)
	}
}

func TestKilledWorkersRealKafka(t *testing.T) {
	beside(t)
	began := time.Now()
	k := kafkatest.At(t, kafkatest.Real(t))
	f, tr, topic := start(t, k, session, func(partition, n int) string {
		switch {
		case partition == 0 && n == 100:
			return poison
		case n%61 == 7:
			return flaky
		}
		return "plain"
	})
	f.awaitFrom(0, "the poison to halt its partition", 1, func(e entry) bool { return e.what == halted })
	for n := range ends {
		p := f.victim()
		if n%5 == 4 { // another worker joins while this one dies
			f.join("")
		}
		f.kill(p)
		f.replace(n, p)
	}
	f.release()
	v := finish(t, k, f, tr, topic)
	if v.kills != ends || v.takeovers == 0 || v.cut == 0 || v.halts < 2 {
		t.Errorf("too little happened to prove anything: %v", v)
	}
	t.Logf("in %v", time.Since(began).Round(time.Millisecond))
}

func TestTerminatedWorkersRealKafka(t *testing.T) {
	beside(t)
	began := time.Now()
	k := kafkatest.At(t, kafkatest.Real(t))
	// a session that no busy machine lets expire, since that would be a takeover
	f, tr, topic := start(t, k, 20*time.Second, func(int, int) string { return "plain" })
	for n := range ends {
		p := f.victim()
		if n%5 == 4 {
			f.join("")
		}
		f.terminate(p)
		f.replace(n, p)
	}
	v := finish(t, k, f, tr, topic)
	if v.takeovers != 0 {
		t.Errorf("%d partitions were taken over without a drain, although each worker drained in time", v.takeovers)
	}
	t.Logf("%d workers terminated, in %v", ends, time.Since(began).Round(time.Millisecond))
}
