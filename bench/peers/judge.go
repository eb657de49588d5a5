package main

import (
	"errors"
	"sync/atomic"
	"time"
)

var errPoison = errors.New("this record cannot be handled")

// judge is the handler of every peer: it does the work and notes what was done to whom, at the same small cost for all.
type judge struct {
	job   job
	lanes []lane // what has to be worked on in order: partitions, or keys
	parts []part
	began atomic.Bool
	first func()       // called for the first record handled
	all   func()       // called when every record has been
	open  atomic.Int64 // partitions with records that were not handled

	attempts, broken, repeated atomic.Int64
}

// lane has a cache line of its own, like part, so that judging is no meeting point.
type lane struct {
	last atomic.Int64 // offset+1 of the last record begun
	busy atomic.Int64
	_    [48]byte
}

type part struct {
	left atomic.Int64
	seen []uint32 // a bit for each record from job.From on
	_    [32]byte
}

func newJudge(j job, keys int, first, all func()) *judge {
	g := &judge{job: j, parts: make([]part, len(j.To)), first: first, all: all}
	for i := range g.parts {
		n := j.To[i] - j.From[i]
		g.parts[i].left.Store(n)
		g.parts[i].seen = make([]uint32, (n+31)/32)
		if n > 0 {
			g.open.Add(1)
		}
	}
	if !j.Keyed {
		keys = len(j.To)
	}
	g.lanes = make([]lane, keys)
	return g
}

func (g *judge) handle(partition int32, offset int64, key []byte) error {
	if g.job.Poison != nil && *g.job.Poison == (place{partition, offset}) {
		g.attempts.Add(1)
		return errPoison
	}
	if !g.began.Load() && g.began.CompareAndSwap(false, true) {
		g.first()
	}
	l := &g.lanes[partition]
	if g.job.Keyed {
		l = &g.lanes[number(key)]
	}
	overlaps := l.busy.Add(1) > 1
	overtaken := l.last.Swap(offset+1) > offset
	if g.job.Takes > 0 {
		time.Sleep(g.job.Takes)
	}
	l.busy.Add(-1)

	p, i := &g.parts[partition], offset-g.job.From[partition]
	bit := uint32(1) << (i % 32)
	again := atomic.OrUint32(&p.seen[i/32], bit)&bit != 0
	switch {
	case again:
		g.repeated.Add(1)
	case p.left.Add(-1) == 0 && g.open.Add(-1) == 0:
		g.all()
	}
	if overlaps || overtaken && !again {
		g.broken.Add(1)
	}
	return nil
}

// number is that of a key, such as 17 of key-0017.
func number(key []byte) (n int) {
	for _, c := range key[len(key)-4:] {
		n = n*10 + int(c-'0')
	}
	return n
}

// handled is how many different records were, by partition.
func (g *judge) handled() []int64 {
	hs := make([]int64, len(g.parts))
	for i := range g.parts {
		hs[i] = g.job.To[i] - g.job.From[i] - g.parts[i].left.Load()
	}
	return hs
}

// seen is which records were handled, by partition.
func (g *judge) seen() [][]uint32 {
	all := make([][]uint32, len(g.parts))
	for i := range g.parts {
		for w := range g.parts[i].seen {
			all[i] = append(all[i], atomic.LoadUint32(&g.parts[i].seen[w]))
		}
	}
	return all
}
