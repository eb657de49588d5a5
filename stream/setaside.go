package stream

import (
	"fmt"
	"slices"

	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// asideShare is the part of MaxInFlight and MaxBytes that all parked lanes together keep in memory.
const asideShare = 8

// setAside sets lanes aside that hold more than their share. It looks at the lanes again once an
// eighth more waits than after the last look, or some of it has come to rest. If there was no space
// for a lane, it also looks once half of what was in flight is done, since that keeps space for
// itself. Where what waits takes half of the resume state, it sets aside all that it can: a lane
// takes less there than its records, and what an earlier assignment kept in memory has to stay.
func (p *part) setAside() {
	a := &p.asides
	if !a.able || p.status() != someParked {
		return
	}
	idle, bytes := p.led.Idle()
	a.looked = min(a.looked, idle)
	limit, budget := p.host.limits()
	most := max(1, min(limit, p.host.stateBytes()/2)/asideShare)
	large := bytes > budget/asideShare
	eased := a.refused > 0 && p.inFlight(idle) <= a.refused/2
	if idle == a.looked && !eased {
		return
	}
	tight := p.stateIsTight()
	if !tight && (idle <= most && !large || a.looked >= 0 && idle <= a.looked+most/8 && !eased) {
		return
	}
	a.looked, a.refused = idle, 0
	inFlight := p.inFlight(idle)
	var told []SourceEvent
	p.intake.Lock()
	lanes := p.waitingLanes(p.ahead.until)
	if large || kept(lanes) >= limit {
		lanes = p.waitingLanes(0) // rather repeat some than read nothing
	}
	share := max(1, most/max(1, len(lanes)))
	if large || tight {
		share = 1
	}
	for _, w := range lanes {
		w.keep = max(w.keep, min(share, len(w.all)))
	}
	lanes = slices.DeleteFunc(lanes, func(w *backlog) bool { return len(w.all) <= share })
	fit := p.haveSpaceFor(lanes)
	for _, w := range lanes {
		from, fresh, refused := p.setLaneAside(w, fit)
		if refused {
			a.refused = inFlight
		} else {
			a.looked -= len(w.all) - w.keep // as many others may come before the next look
		}
		if fresh {
			behind := fmt.Sprintf("%d records wait behind the parked record %v with", len(w.all)-1, w.park.Meta)
			if w.park.By != "" {
				behind = fmt.Sprintf("%d records wait that %s has parked, of", len(w.all), w.park.By)
			}
			told = append(told, SourceEvent{TopicPartition: p.tp, Name: "lane set aside",
				Text: fmt.Sprintf("%s key %q: those from offset %d on are not kept in memory, and read again after the park", behind, w.park.Meta.Key, from)})
		}
	}
	p.intake.Unlock()
	if slices.ContainsFunc(lanes, func(w *backlog) bool { return w.held }) {
		a.looked = -1
	}
	for _, e := range told {
		p.host.emit(e)
	}
}

// inFlight returns how many records are unfinished beside those that wait.
func (p *part) inFlight(idle int) int {
	_, unfinished := p.led.Count()
	return unfinished - idle
}

// backlog is the unfinished records of a parked lane, in order.
type backlog struct {
	id   resume.LaneID
	park *park
	all  []ticketAt
	keep int  // so many of the first have to stay
	held bool // some of these may come to rest
}

type ticketAt struct {
	slab  *ledger.Slab
	index int32
}

// kept returns how many records have to stay in memory.
func kept(lanes []*backlog) (n int) {
	for _, w := range lanes {
		n += w.keep
	}
	return n
}

// waitingLanes returns what waits in parked lanes. What lies below an offset has to stay: an
// earlier assignment may have finished records of the lane above it. The caller holds intake.
func (p *part) waitingLanes(below int64) (lanes []*backlog) {
	by := map[resume.LaneID]*backlog{}
	for s, i := range p.led.Unfinished {
		m, ok := s.Payload.(values).meta(int32(i))
		if !ok {
			continue // it finishes just now
		}
		k := p.parks.index.laneOf(m.Offset, m.Key)
		if k == nil {
			continue
		}
		id := resume.LaneOf(m.Key)
		w := by[id]
		if w == nil {
			w = &backlog{id: id, park: k}
			by[id], lanes = w, append(lanes, w)
		}
		w.all = append(w.all, ticketAt{s, int32(i)})
		// A record below one that a step has begun stays: what that one did must not be repeated.
		t := &s.Tickets[i]
		if !t.Idle() || t.Tried() || p.parks.names(m) || m.Offset < below {
			w.keep, w.held = len(w.all), w.held || !t.Idle()
		}
	}
	return lanes
}

// names reports whether the record itself is parked, and not only its lane.
func (ps *parks) names(m Meta) bool {
	for k := range ps.index.covering(m.Offset, m.Key) {
		if k.Scope == ScopeRecord || m.Offset <= k.Last {
			return true
		}
	}
	return false
}

// setLaneAside takes all but the first records of a lane out of memory, and leaves out those that
// are fed from now on. It returns the first offset that is set aside, and whether it is the lane's
// first time. Without space in the resume state it is refused. The caller holds intake.
func (p *part) setLaneAside(w *backlog, fits bool) (from int64, fresh, refused bool) {
	out := w.all[w.keep:]
	fits = fits || p.hasSpaceFor(w.id, len(out))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parks.lane(w.id) == nil && p.asides.lanes[w.id] == nil {
		return 0, false, false
	}
	e, fresh := p.leaveOut(w.id, fits)
	if e == nil {
		return 0, false, true
	}
	p.takeOutOf(e, out)
	return e.from, fresh, false
}

// leaveOut leaves out the records of a lane that are fed from now on. It returns the lane's entry,
// and whether that is new. It returns nil if there is no space for it in the resume state, or if an
// earlier assignment has finished records further up: these would count as unfinished. The caller
// holds intake and mu.
func (p *part) leaveOut(id resume.LaneID, fits bool) (e *aside, fresh bool) {
	if e = p.asides.lanes[id]; e != nil {
		return e, false
	}
	if !fits || !p.passedEarlier() {
		return nil, false
	}
	e = &aside{from: p.next, parked: p.parks.lane(id) != nil}
	p.asides.lanes[id] = e
	p.asidesChanged()
	p.storeSoon()
	return e, true
}

// takeOutOf takes the last records of a lane out of the ledger, none of which is held. The caller
// holds intake and mu.
func (p *part) takeOutOf(e *aside, out []ticketAt) {
	if len(out) == 0 {
		return
	}
	e.seen = max(e.seen, min(e.from, p.next))
	e.from = out[0].slab.Offset(int(out[0].index))
	p.asidesChanged() // before the tickets go: the watermark must not pass them
	e.left.Add(int64(len(out)))
	for _, t := range out {
		t.slab.SetAside(t.index)
	}
	p.storeSoon()
}

// haveSpaceFor reports whether the resume state can tell of all these lanes. In a bitmap only all
// of them together take less than their records do. The caller holds intake.
func (p *part) haveSpaceFor(lanes []*backlog) bool {
	var further []resume.Aside
	fewer, next := 0, p.fetched()
	for _, w := range lanes {
		if fewer += len(w.all) - w.keep; p.asides.lanes[w.id] == nil {
			further = append(further, resume.Aside{Lane: w.id, From: next})
		}
	}
	return p.haveSpace(further, fewer)
}

// hasSpaceFor reports whether the resume state can tell of a lane that is set aside, and of that
// many unfinished records less. One that is set aside already has its space. The caller holds
// intake.
func (p *part) hasSpaceFor(id resume.LaneID, fewer int) bool {
	return p.asides.lanes[id] != nil || p.haveSpace([]resume.Aside{{Lane: id, From: p.fetched()}}, fewer)
}

// haveSpace reports whether there is room for further lanes, or they take no more than the records
// of theirs do that are unfinished no longer. The caller holds intake.
func (p *part) haveSpace(further []resume.Aside, fewer int) bool {
	_, held := p.led.Count()
	span := p.led.Span()
	then := p.stateRoomWith(further, held, fewer, span)
	return then >= 0 || fewer > 0 && then >= p.stateRoom(held, span)
}
