package crashtest

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

// An outage shorter than the session costs the workers nothing: they keep their partitions and the
// records in flight.
func TestKilledBrokerRealKafka(t *testing.T) {
	beside(t)
	b := kafkatest.Own(t)
	k := kafkatest.At(t, b.Brokers)
	topic := k.Topic(partitions)
	f := newFleet(t, job{Brokers: b.Brokers, Group: kafkatest.Name("crash"), Topic: topic, Session: 25 * time.Second})
	tr := flow(t, k, topic, 400, func(_, n int) string {
		if n%61 == 47 {
			return flaky
		}
		return "plain"
	})
	f.join("")
	f.join("static")
	f.await("records to be done", 600+f.rng.IntN(200), func(e entry) bool { return e.what == done })
	f.await("a retry that waits", 1, func(e entry) bool { return e.what == waiting })
	b.Kill()
	began := time.Now()
	b.Start()
	f.await("a commit after the restart", 1, func(e entry) bool { return e.what == committed })
	t.Logf("commits went on %v after the kill", time.Since(began).Round(time.Millisecond))
	if v := finish(t, k, f, tr, topic); v.lost != 0 || v.repeated != 0 || v.drained != 0 {
		t.Errorf("the workers survived, but repeated records: %v", v)
	}
}
