package main

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

var errPoison = errors.New("this record cannot be handled")

// audit is the handler of works with failing records, or with two processes. It remembers which
// records were handled, and tells overtaken records from repeated ones. It is not fast.
type audit struct {
	job   job
	keys  *testbed.Sequence // nil: order is kept by partition
	last  []atomic.Int64    // by lane: offset+1 of the last record started
	parts []part
	began atomic.Bool
	first func()
	all   func()
	open  atomic.Int64 // partitions with unhandled records

	attempts, disordered, repeats atomic.Int64
}

type part struct {
	left atomic.Int64
	seen []uint32 // a bit for each record from job.From on
}

func newAudit(j job, first, all func()) *audit {
	a := &audit{job: j, keys: j.sequence(), last: make([]atomic.Int64, len(j.Lanes)), parts: make([]part, len(j.To)), first: first, all: all}
	for i := range a.parts {
		n := j.To[i] - j.From[i]
		a.parts[i].left.Store(n)
		a.parts[i].seen = make([]uint32, (n+31)/32)
		if n > 0 {
			a.open.Add(1)
		}
	}
	return a
}

func (a *audit) handle(partition int32, offset int64, _ []byte) error {
	if a.job.Poison != nil && *a.job.Poison == (place{partition, offset}) {
		a.attempts.Add(1)
		return errPoison
	}
	if a.began.CompareAndSwap(false, true) {
		a.first()
	}
	lane := int(partition)
	if a.keys != nil {
		lane = a.keys.Of(partition, offset)
	}
	overtaken := a.last[lane].Swap(offset+1) > offset
	p, i := &a.parts[partition], offset-a.job.From[partition]
	bit := uint32(1) << (i % 32)
	again := atomic.OrUint32(&p.seen[i/32], bit)&bit != 0
	switch {
	case again:
		a.repeats.Add(1)
	case p.left.Add(-1) == 0 && a.open.Add(-1) == 0:
		a.all()
	}
	if overtaken && !again {
		a.disordered.Add(1)
	}
	return nil
}

func (a *audit) report() report {
	r := report{Disordered: a.disordered.Load(), Repeated: a.repeats.Load(), Attempts: a.attempts.Load()}
	for i := range a.parts {
		r.Missing += a.parts[i].left.Load()
		words := make([]uint32, len(a.parts[i].seen))
		for w := range words {
			words[w] = atomic.LoadUint32(&a.parts[i].seen[w])
		}
		r.Seen = append(r.Seen, words)
	}
	return r
}

// left returns how many records are still to be handled, by partition.
func (a *audit) left() []int64 {
	left := make([]int64, len(a.parts))
	for i := range a.parts {
		left[i] = a.parts[i].left.Load()
	}
	return left
}

// quiet is how long a poisoned peer may make no progress before it counts as stuck.
const quiet = 2 * time.Second

// untilQuiet waits until no record was handled for a while after the poison was first met. It
// reports whether that came before done was closed.
func (a *audit) untilQuiet(done <-chan struct{}) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var before []int64
	since := time.Now()
	for {
		select {
		case <-tick.C:
		case <-done:
			return false
		}
		now := a.left()
		if !slices.Equal(now, before) || a.attempts.Load() == 0 {
			before, since = now, time.Now()
		}
		if time.Since(since) > quiet {
			return true
		}
	}
}
