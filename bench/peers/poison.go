package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// verdict is the outcome of one record that always fails.
type verdict struct {
	attempts         int64
	behind           int64 // of its own partition, handled after it
	others, ofOthers int64 // of the other partitions, handled, and how many there are
	passed           bool  // committed without being handled
	stops            bool  // the peer left in time when asked
	repeated, lost   int64 // after a worker without the fault finished the rest
}

// grace is how long a peer with a failing record may take to leave.
const grace = 15 * time.Second

// poison has a peer meet a record that always fails, measures how far it comes, and lets a fixed
// worker of the same group finish the rest.
func (c *cluster) poison(ctx context.Context, j job) (v verdict, err error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := start(within, j)
	if err != nil {
		return v, err
	}
	_, isStuck := t.until(patience, stuck, left)
	_, v.stops = t.until(grace, left)
	committed, _, err := c.committed(within, j.Group, j.Topic)
	r, failed := t.end()
	if err := errors.Join(err, failed); err != nil {
		return v, err
	}
	if !isStuck {
		return v, fmt.Errorf("%s kept running with a failing record: %d left", j.Peer, r.Missing)
	}
	bad := int(j.Poison.Partition)
	v.attempts, v.passed = r.Attempts, committed[bad] > j.Poison.Offset
	for p := range j.To {
		for offset := range j.To[p] {
			switch {
			case !has(r.Seen[p], offset):
			case p != bad:
				v.others++
			case offset > j.Poison.Offset:
				v.behind++
			}
		}
		if p != bad {
			v.ofOthers += j.To[p]
		}
	}
	v.repeated = r.Repeated

	fixed := make([][]uint32, len(j.To))
	if !slices.Equal(committed, j.To) {
		j.Poison = nil
		j.give(committed, j.To)
		o, err := c.measure(ctx, j, nil)
		if err != nil {
			return v, err
		}
		fixed = o.handled
		v.repeated += o.repeated
	}
	v.tally(j.To, r.Seen, committed, fixed)
	return v, nil
}

// tally compares the records of the first worker with those of the fixed one, which started at the
// committed offsets.
func (v *verdict) tally(to []int64, before [][]uint32, committed []int64, fixed [][]uint32) {
	for p := range to {
		for offset := range to[p] {
			once, twice := has(before[p], offset), has(fixed[p], offset-committed[p])
			switch {
			case once && twice:
				v.repeated++
			case !once && !twice:
				v.lost++
			}
		}
	}
}

func has(seen []uint32, i int64) bool {
	return i >= 0 && i/32 < int64(len(seen)) && seen[i/32]&(1<<(i%32)) != 0
}
