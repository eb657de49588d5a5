package group

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Members join and leave without waiting for one another. No partition is given to two members at
// once, and in the end all are assigned. In virtual time, since kfake counts wrong when a member
// leaves that waits in SyncGroup: the rebalance then takes all of its timeout.
func TestRebalanceStorm(t *testing.T) {
	for _, balancer := range []Balancer{CooperativeSticky, Range} {
		inVirtualTime(t, string(balancer), func(t *testing.T, c virtual) {
			f := newFloor()
			settles := func(w *worker) { w.cfg.Balancers, w.cfg.RebalanceTimeout = []Balancer{balancer}, patience/4 }
			var running []*worker
			for i := range 16 {
				if len(running) < 2 || (len(running) < 5 && rand.N(2) == 0) {
					name := fmt.Sprintf("w%d", i)
					running = append(running, newWorker(t, c, f, name, settles).start(t))
				} else {
					n := rand.N(len(running))
					running[n].stop()
					running = append(running[:n], running[n+1:]...)
				}
				if rand.N(2) == 0 {
					f.await(t, "some partitions to be assigned", func() bool { return len(f.owner) > 0 })
				}
			}
			f.await(t, "all partitions to be assigned evenly", func() bool {
				least, total := 6, 0
				for _, w := range running {
					n := len(f.of(w.name))
					least, total = min(least, n), total+n
				}
				return total == 6 && least == 6/len(running)
			})
			f.check(t)
			for _, w := range running {
				if len(w.lost) > 0 {
					t.Errorf("%s lost %v: %v", w.name, w.lost, w.lostErr)
				}
			}
		})
	}
}
