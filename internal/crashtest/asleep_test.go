package crashtest

import (
	"syscall"
	"testing"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

// A process that is stopped for longer than its session is evicted. When it continues, its
// partitions have another owner, but it still has records in flight.
func TestSuspendedWorkerRealKafka(t *testing.T) {
	beside(t)
	k := kafkatest.At(t, kafkatest.Real(t))
	f, tr, topic := start(t, k, session, func(int, int) string { return "plain" })
	for range 3 {
		p := f.atWork()
		mine := f.owner(p)
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		f.await("somebody to take over what the sleeper has", 1, func(e entry) bool { return e.what == committed && e.worker != p.Name && mine[e.partition] })
		woken := f.now()
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		f.awaitFrom(woken, "the sleeper to notice", 1, func(e entry) bool { return e.what == lost && e.worker == p.Name })
		f.awaitFrom(woken, "the sleeper to work again", 20, func(e entry) bool { return e.what == done && e.worker == p.Name })
	}
	if v := finish(t, k, f, tr, topic); v.lost == 0 || v.kills != 0 {
		t.Errorf("too little happened to prove anything: %v", v)
	}
}

// owner returns the partitions of a worker.
func (f *fleet) owner(p *process) map[int]bool {
	has := map[int]bool{}
	es, _, _ := f.log.since(0)
	for _, e := range es {
		switch {
		case e.what == assigned:
			has[e.partition] = e.worker == p.Name
		case e.worker == p.Name && (e.what == revoked || e.what == lost):
			has[e.partition] = false
		}
	}
	return has
}
