package stream

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// A lane stalls while its first element has failed for long and is tried again. Records behind it
// would fill MaxInFlight, and so stop the partition. So a lane that stalls is set aside, too. What
// a step has begun stays in memory. The lane is read again once its worker moves on.
//
// An element that is postponed stalls no lane, since that is the way of a breaker: all lanes that
// need its step wait, and to set them aside in turn would read the whole log twice.

// stallsAfter is how long an element fails before its lane stalls. A lane cannot stall more often
// than once in that time, so it is not set aside, and read again, more often either.
const stallsAfter = time.Second

// stallShare is the part of MaxInFlight that a lane holds before it is set aside. Where many lanes
// stall, as in an outage, each holds less and stays in memory: not all could be set aside.
const stallShare = 64

// stall is a lane that stalls.
type stall struct {
	part    *part
	id      resume.LaneID
	first   Meta
	stage   int // where it stalls, and as which lane; of several branches, the last one
	lane    uint64
	workers int // one, or one per branch
}

// fails notes that the worker's element has failed and waits for d. If it has failed for long by
// then, its lane stalls until the task ends.
func (w *worker) fails(r *record, d time.Duration) {
	if w.Worker == nil {
		return
	}
	if w.failing == 0 {
		w.failing = clock()
	}
	sg := w.stage
	if w.stall == nil && clock()-w.failing+d >= stallsAfter && r.part.asides.able && sg.lanes == perGroup && sg.group == byKey {
		w.stall = r.part.stallsAt(r.meta(), sg.index, w.Lane())
	}
}

// stalled runs the wait before an attempt. If the lane stalls, it may be set aside meanwhile.
func (w *worker) stalled(wait func()) {
	if w.stall == nil {
		wait()
		return
	}
	w.Worker.Stall(func() {
		w.stall.part.changed()
		wait()
	})
}

// ended ends what fails has begun, at the end of a task.
func (w *worker) ended() {
	if w.failing != 0 {
		w.movesOn()
	}
}

func (w *worker) movesOn() {
	w.failing = 0
	if s := w.stall; s != nil {
		w.stall = nil
		s.ends()
	}
}

// stallsAt notes that a worker's lane stalls.
func (p *part) stallsAt(first Meta, stage int, lane uint64) *stall {
	id := resume.LaneOf(first.Key)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.asides.stalled[id]
	if s == nil {
		s = &stall{part: p, id: id}
		p.asides.stalled[id] = s
		p.asides.count.Add(1)
	}
	s.first, s.stage, s.lane = first, stage, lane
	s.workers++
	return s
}

// ends notes that a worker's lane moves on.
func (s *stall) ends() {
	a := &s.part.asides
	s.part.mu.Lock()
	if s.workers--; s.workers == 0 {
		delete(a.stalled, s.id)
		a.count.Add(-1)
	}
	s.part.mu.Unlock()
	s.part.wakeReadBack()
}

// lookAtStalls has another look at the lanes that stall once enough was fed since the last one.
func (p *part) lookAtStalls(fed int) {
	if p.asides.count.Load() == 0 {
		return
	}
	limit, _ := p.host.limits()
	if p.asides.fed.Add(int64(fed)) > int64(limit/stallShare) {
		p.asides.fed.Store(0)
		p.host.spawn(p.changed) // the source may hold a lock
	}
}

// setStalledAside sets lanes aside that stall and hold more than their share.
func (p *part) setStalledAside() {
	if p.asides.count.Load() == 0 || p.status()&^someParked != 0 {
		return
	}
	limit, budget := p.host.limits()
	_, pinned := p.led.Held()
	share := limit / stallShare
	if pinned > budget/2 {
		share = 1 // a few may hold much
	}
	var told []SourceEvent
	p.intake.Lock()
	p.asides.fed.Store(0)
	for _, s := range p.stalls() {
		most := share
		if p.asides.lanes[s.id] != nil {
			most = 1 // what was read again makes way for others
		}
		if n := p.sets[s.stage].Queued(s.lane); n > max(1, most) {
			told = append(told, p.setStallAside(s, n-1, limit)...)
		}
	}
	p.intake.Unlock()
	for _, e := range told {
		p.host.emit(e)
	}
}

// stalls returns the lanes that stall, but for parked ones.
func (p *part) stalls() (all []stall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.asides.stalled {
		if p.parks.lane(s.id) == nil {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b stall) int { return cmp.Compare(a.first.Offset, b.first.Offset) })
	return all
}

// stalling returns how many records the lanes have that stall, where they do.
func (p *part) stalling() (n int) {
	if p.asides.count.Load() == 0 {
		return 0
	}
	for _, s := range p.stalls() {
		n += p.sets[s.stage].Queued(s.lane)
	}
	return n
}

// setStallAside leaves out the records of a lane that are fed from now on, and takes those out of
// memory that are queued in the first stage: no step has begun these. The caller holds intake.
func (p *part) setStallAside(s stall, behind, limit int) (told []SourceEvent) {
	fits := p.hasSpaceFor(len(p.asides.lanes)+1, 0)
	p.mu.Lock()
	e, fresh := p.leaveOut(s.id, fits)
	p.mu.Unlock()
	if e == nil {
		return nil
	}
	if s.stage == p.entry {
		p.takeOutQueued(e, s, p.ahead.until)
		if p.sets[s.stage].Queued(s.lane) > limit/2 {
			p.takeOutQueued(e, s, 0) // rather repeat some than read nothing
		}
	}
	if !fresh {
		return nil
	}
	return []SourceEvent{{TopicPartition: p.tp, Name: "lane set aside",
		Text: fmt.Sprintf("%d records wait behind %v, with key %q, which is tried again: those from offset %d on are not kept in memory, and read again then", behind, s.first, s.first.Key, e.from)}}
}

// takeOutQueued takes the queued records of a lane out of memory. What lies below an offset stays:
// see waitingLanes. The caller holds intake.
func (p *part) takeOutQueued(e *aside, s stall, below int64) {
	recs := p.host.cut(p, s.lane, func(r *record) bool {
		return r.slab.Tickets[r.Index].Tried() || r.offset() < below || !bytes.Equal(r.key(), s.first.Key)
	})
	out := make([]ticketAt, len(recs))
	for i, r := range recs {
		out[i] = ticketAt{r.slab, r.Index}
		r.slab.Drop(r.Index)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takeOutOf(e, out)
}

// stalledLanes returns the lanes that stall, by their hash. The caller holds mu.
func (p *part) stalledLanes() map[uint64]bool {
	all := make(map[uint64]bool, len(p.asides.stalled))
	for _, s := range p.asides.stalled {
		all[s.lane] = true
	}
	return all
}
