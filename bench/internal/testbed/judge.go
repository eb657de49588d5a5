package testbed

import "sync/atomic"

// Judge checks that a client handles each record of a topic once and in order. A record costs a
// table lookup and one cache line, for every client alike. The line is that of the record's lane:
// its partition, or its key.
//
// Lanes are plain memory without locks or atomics. A client that keeps the order of a lane hands
// the lane from goroutine to goroutine, and this hand-over orders the accesses of the judge as
// well. A client that breaks the order makes these accesses race; the judge then reads a value that
// is out of order, and reports that.
type Judge struct {
	keys  *Sequence // nil: lanes are partitions
	lanes []lane
	began atomic.Bool
	open  atomic.Int64 // lanes with unhandled records
	first func()
	all   func()
}

// lane fills a cache line, so that judging causes no contention.
type lane struct {
	next       int64 // the lowest offset that is in order
	left       int64 // records still to be handled
	disordered int64
	_          [40]byte
}

// Lanes returns how many of the records between two offsets of each partition belong to each lane.
// A nil sequence makes a lane of each partition.
func Lanes(keys *Sequence, from, to []int64) []int64 {
	lanes := make([]int64, len(to))
	if keys != nil {
		lanes = make([]int64, len(Keys))
	}
	for p := range to {
		if keys == nil {
			lanes[p] = to[p] - from[p]
			continue
		}
		for offset := from[p]; offset < to[p]; offset++ {
			lanes[keys.Of(int32(p), offset)]++
		}
	}
	return lanes
}

// NewJudge returns a judge of that many records in each lane. It calls first with the first record
// and all with the last one, in the goroutine that handles it.
func NewJudge(keys *Sequence, lanes []int64, first, all func()) *Judge {
	g := &Judge{keys: keys, lanes: make([]lane, len(lanes)), first: first, all: all}
	for i, n := range lanes {
		g.lanes[i].left = n
		if n > 0 {
			g.open.Add(1)
		}
	}
	return g
}

// Lane returns the lane of a record.
func (g *Judge) Lane(partition int32, offset int64) int {
	if g.keys == nil {
		return int(partition)
	}
	return g.keys.Of(partition, offset)
}

// Handled notes that a record was handled.
func (g *Judge) Handled(partition int32, offset int64) {
	l := &g.lanes[g.Lane(partition, offset)]
	if l.next == 0 && !g.began.Load() && g.began.CompareAndSwap(false, true) {
		g.first()
	}
	if offset < l.next {
		l.disordered++
		return
	}
	l.next = offset + 1
	if l.left--; l.left == 0 && g.open.Add(-1) == 0 {
		g.all()
	}
}

// Verdict returns how many records were handled out of order or once more, and how many were not
// handled in order. Both are 0 if each record was handled once, in the order of its lane.
func (g *Judge) Verdict() (disordered, missing int64) {
	for i := range g.lanes {
		disordered += g.lanes[i].disordered
		missing += g.lanes[i].left
	}
	return disordered, missing
}
