package main

import (
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// judge is the handler of works without failing records. It does the work and checks each record,
// at the same low cost for every peer.
type judge struct {
	*testbed.Judge
	takes    time.Duration
	busy     []atomic.Int32 // by lane, where work takes time
	overlaps atomic.Int64
	late     *lateness // nil: latency is not measured
}

func newJudge(j job, first, all func()) *judge {
	g := &judge{Judge: testbed.NewJudge(j.sequence(), j.Lanes, first, all), takes: j.Takes}
	if g.takes > 0 {
		g.busy = make([]atomic.Int32, len(j.Lanes))
	}
	if j.Paced {
		g.late = newLateness(j)
	}
	return g
}

func (g *judge) handle(partition int32, offset int64, value []byte) error {
	if g.takes > 0 {
		g.work(&g.busy[g.Lane(partition, offset)])
	}
	if g.late != nil {
		g.late.note(value, time.Now())
	}
	g.Handled(partition, offset)
	return nil
}

// work waits, and counts overlaps with another record of the lane.
func (g *judge) work(busy *atomic.Int32) {
	if busy.Add(1) > 1 {
		g.overlaps.Add(1)
	}
	time.Sleep(g.takes)
	busy.Add(-1)
}

func (g *judge) report() report {
	disordered, missing := g.Verdict()
	r := report{Disordered: disordered + g.overlaps.Load(), Missing: missing}
	if g.late != nil {
		r.Late = g.late.measured()
	}
	return r
}
