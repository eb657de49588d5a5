package stream

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/resume"
)

// ahead is what has finished above a partition's watermark. It is stored beside the offset as the
// resume state, so that the next assignment does not handle it again.
type ahead struct {
	kept   bool           // a state is stored
	of     resume.Binding // what states belong to, but for their offset
	begun  atomic.Bool    // earlier holds something
	urgent atomic.Bool    // the state is to be stored soon

	// guarded by part.mu
	earlier []resume.Run             // finished in earlier assignments, where the feed has not passed yet
	stored  []resume.Run             // in the state that is stored
	records int64                    // that had finished when it was made
	halts   int                      // changes of halts so far
	told    int                      // of them, how many it tells of
	tried   map[int64][]resume.Build // by the offset of a halted record: who has tried it
}

// progress is what a commit stores of a partition.
type progress struct {
	Position
	runs    []resume.Run // finished above the offset, as far as the state tells
	records int64        // that have finished
	covered int64        // of those, how many the position tells of, at least
	below   int64        // and how many the offset does
	halts   int          // changes of halts that it tells of
}

// withoutState notes that the offset was stored alone: what its state would have told is news
// still.
func (g *progress) withoutState() {
	g.runs, g.records, g.covered = nil, g.below, g.below
}

// adopt takes over what an earlier assignment has finished, as far as that can be believed.
func (p *part) adopt(a Assignment) error {
	p.ahead.of = resume.Binding{Scope: a.Scope, TopicID: a.TopicID, Topic: a.Topic, Partition: a.Partition}
	if a.State == "" || !p.ahead.kept {
		return nil
	}
	of := p.ahead.of
	of.Offset = a.Committed
	state, err := resume.Decode(of, a.State)
	if err != nil {
		return err
	}
	for _, r := range state.Finished {
		if r.From, r.To = max(r.From, a.Next), min(r.To, a.LogEnd); r.From < r.To {
			p.ahead.earlier = append(p.ahead.earlier, r)
		}
	}
	p.ahead.stored = p.ahead.earlier
	p.inherit(state.Halts, a)
	p.ahead.begun.Store(len(p.ahead.earlier) > 0)
	return nil
}

// finishedAhead is how many offsets were finished in earlier assignments, where the feed has not
// passed yet.
func (p *part) finishedAhead() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return total(p.ahead.earlier)
}

// total is how many offsets runs have.
func total(runs []resume.Run) (n int64) {
	for _, r := range runs {
		n += r.To - r.From
	}
	return n
}

// roomAhead is how many records may be fed with so many unfinished ones, so that a state can tell
// of all that finish in whatever order.
func (p *part) roomAhead(held int) int {
	if !p.led.OutOfOrder {
		return math.MaxInt32
	}
	p.mu.Lock()
	holes := held + 2*len(p.ahead.earlier)
	p.mu.Unlock()
	span := p.led.Span()
	return int(min(p.host.maxAhead()-span, resume.Room(p.host.stateBytes(), span, holes)))
}

// finishedEarlier reports whether an earlier assignment has finished an offset.
func (p *part) finishedEarlier(offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return within(p.ahead.earlier, offset)
}

// passEarlier notes that the source has fed up to next. It returns where to feed from: behind what
// is finished there.
func (p *part) passEarlier(next int64) int64 {
	end := p.led.End() // what was not accepted is not passed
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := p.ahead.earlier
	for len(runs) > 0 && runs[0].To <= min(next, end) {
		runs = runs[1:]
	}
	p.ahead.earlier = runs
	p.ahead.begun.Store(len(runs) > 0)
	if len(runs) > 0 && runs[0].From <= next {
		return runs[0].To
	}
	return next
}

// progress makes what a commit is to store.
func (p *part) progress() progress {
	if !p.ahead.kept {
		offset, records := p.led.Prefix()
		return progress{Position: Position{Offset: offset, TopicID: p.topic}, records: records, covered: records, below: records}
	}
	// before the ledger is read, which what is passed in between has reached
	p.mu.Lock()
	earlier := p.ahead.earlier
	p.mu.Unlock()
	offset, records, holes, end := p.led.Holes(nil)
	_, below := p.led.Prefix()
	g := progress{Position: Position{Offset: offset, TopicID: p.topic}, records: records, covered: records, below: min(below, records)}
	if len(holes) > 0 {
		for i, h := range holes {
			to := end
			if i+1 < len(holes) {
				to = holes[i+1]
			}
			g.add(h+1, to)
		}
	}
	for _, r := range earlier {
		g.add(max(r.From, end), r.To)
	}
	of := p.ahead.of
	of.Offset = offset
	var halts []resume.Halt
	var told int64
	halts, g.halts = p.haltsToStore()
	g.State, told = resume.Encode(of, resume.State{Finished: g.runs, Halts: halts}, p.host.stateBytes())
	if n := len(g.runs); n > 0 && g.runs[n-1].To > told {
		g.runs = slices.DeleteFunc(g.runs, func(r resume.Run) bool { return r.To > told })
		g.covered = g.below
	}
	return g
}

// add notes a run behind those that there are.
func (g *progress) add(from, to int64) {
	if from >= to {
		return
	}
	if n := len(g.runs); n > 0 && g.runs[n-1].To == from {
		g.runs[n-1].To = to
		return
	}
	g.runs = append(g.runs, resume.Run{From: from, To: to})
}

// within reports whether an offset lies in one of some runs.
func within(runs []resume.Run, offset int64) bool {
	_, ok := slices.BinarySearchFunc(runs, offset, func(r resume.Run, at int64) int {
		switch {
		case r.To <= at:
			return -1
		case r.From > at:
			return 1
		}
		return 0
	})
	return ok
}
