package stream

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/resume"
)

// A lane that waits would fill the memory, if it keeps receiving. Once it holds more than its share
// it is set aside: its later records are not kept in memory, whatever their number. What is kept is
// the offset that they begin at. After the wait they are read again (readback.go). A lane waits if
// it is parked (setaside.go), or stalls (stall.go).
//
// Every record of the lane below that offset has finished or has a ticket. No record from there on
// has one. So a resume state lists the stretch as finished, and names the lane beside it.

// asides is the lanes of a partition that are set aside.
type asides struct {
	able bool        // the source can read again, and states are stored; constant
	some atomic.Bool // lanes is not empty
	// changed under both part.intake and part.mu, so either protects a look
	lanes   map[resume.LaneID]*aside
	stalled stalls
	reading bool          // readBack runs; guarded by part.mu
	news    chan struct{} // capacity 1: wakes readBack; never closed
	looked  int           // records that waited after the last look; used by reconcile only
	refused int           // records in flight when a lane found no space; used by reconcile only
	changes int           // of lanes, so far; guarded by part.mu
	// what an operator has skipped since the source cannot read it; guarded by part.mu
	unreadable []resume.Run
	awaited    bool    // workers wait until a record is stored; constant
	came       []int64 // if awaited: came back since the last state was made; guarded by part.mu
}

type aside struct {
	from   int64        // its records from here on have no ticket
	seen   int64        // those below were delivered in this assignment
	left   atomic.Int64 // so many are set aside, but for those of earlier assignments
	parked bool         // guarded by part.mu
}

// back reports whether a lane is to be read again. The caller holds part.mu.
func (a *asides) back(id resume.LaneID) bool {
	e := a.lanes[id]
	return e != nil && !e.parked && a.stalled.by[id] == nil
}

// leavesOut reports whether a record that is fed is set aside. The caller holds intake.
func (p *part) leavesOut(offset int64, key []byte) bool {
	if !p.asides.some.Load() {
		return false
	}
	e := p.asides.lanes[resume.LaneOf(key)]
	if e == nil || offset < e.from {
		return false
	}
	e.left.Add(1)
	return true
}

// asideRecords returns how many records are set aside, but for those of earlier assignments.
func (p *part) asideRecords() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.asides.lanes {
		n += max(0, e.left.Load())
	}
	return n
}

// asidesChanged follows a change of the lanes that are set aside. The caller holds intake and mu.
func (p *part) asidesChanged() {
	a := &p.asides
	a.changes++
	a.some.Store(len(a.lanes) > 0)
	p.led.Floor(p.asideFrom())
}

// asideFrom returns the lowest offset that is set aside, or math.MaxInt64. The caller holds intake
// or mu.
func (p *part) asideFrom() int64 {
	least := int64(math.MaxInt64)
	for _, e := range p.asides.lanes {
		least = min(least, e.from)
	}
	return least
}

// unpassed returns how many records wait in lanes that cannot be set aside yet, since the feed has
// not passed all that earlier assignments finished. They may exceed MaxInFlight: these assignments
// had them in memory, too, and that may have been larger.
func (p *part) unpassed() (n int) {
	if !p.ahead.begun.Load() || !p.asides.able {
		return 0
	}
	n, _ = p.idle()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.passedEarlier() {
		return 0
	}
	return n
}

// stallsNow returns the lanes that stall, but for parked ones.
func (p *part) stallsNow() []stall {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(p.asides.stalled.all(), func(s stall) bool { return p.parks.lane(s.id) != nil })
}

// stalling returns how many records the lanes have that stall, where they do.
func (p *part) stalling() (n int) {
	if p.asides.stalled.count.Load() == 0 {
		return 0
	}
	for _, s := range p.stallsNow() {
		n += p.sets[s.stage].Queued(s.lane)
	}
	return n
}

// storeSoon has a change of lanes that are set aside stored soon. The caller holds mu.
func (p *part) storeSoon() {
	p.ahead.halts++
	p.ahead.urgent.Store(true)
}

var errAsides = errors.New("it tells of lanes that were set aside, and this chain or its source cannot read again [LW237]")

// inheritAsides restores the lanes that earlier assignments set aside. Call it after the parks are
// restored.
func (p *part) inheritAsides(all []resume.Aside, a Assignment) {
	for _, is := range all {
		if is.From >= a.LogEnd {
			continue // the log was truncated below it, so nothing of it is believed
		}
		p.asides.lanes[is.Lane] = &aside{from: max(is.From, a.Next), parked: p.parks.lane(is.Lane) != nil}
	}
	p.asidesChanged()
}

// parkAside has a lane wait that was parked, if it is set aside. The caller holds mu.
func (p *part) parkAside(id resume.LaneID) {
	if e := p.asides.lanes[id]; e != nil {
		e.parked = true
	}
}

// releaseAsides has lanes read again whose parks have ended. The caller holds mu.
func (p *part) releaseAsides(ended []*park) {
	for _, k := range ended {
		if e := p.asides.lanes[k.id]; e != nil && k.Scope == ScopeLane && p.parks.lane(k.id) == nil {
			e.parked = false
		}
	}
}

// asidesText says what the lanes wait for that are set aside.
func (p *part) asidesText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := [...]string{"parked", "behind a record that is tried again", "being read again"}
	var n [len(waits)]int
	for id, e := range p.asides.lanes {
		switch {
		case e.parked:
			n[0]++
		case p.asides.stalled.by[id] != nil:
			n[1]++
		default:
			n[2]++
		}
	}
	var texts []string
	for i, what := range waits {
		if n[i] > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n[i], what))
		}
	}
	return strings.Join(texts, ", ")
}

// asidesToStore returns the entries of a state. The caller holds mu.
func (p *part) asidesToStore() (all []resume.Aside) {
	if len(p.asides.lanes) == 0 {
		return nil
	}
	all = make([]resume.Aside, 0, len(p.asides.lanes)+1)
	for id, e := range p.asides.lanes {
		all = append(all, resume.Aside{Lane: id, From: e.from})
	}
	return all
}

// advancesAside is called when the normal reading has moved, which lanes may have waited for.
func (p *part) advancesAside() {
	if p.asides.some.Load() {
		p.wakeReadBack()
	}
}

// passUnreadable moves a lane that is read again over what an operator has skipped. The caller
// holds intake and mu.
func (p *part) passUnreadable(e *aside) {
	for _, r := range p.asides.unreadable {
		if r.From <= e.from && e.from < r.To {
			e.from = min(r.To, p.next)
		}
	}
}

// cameBack notes that a record is read again, of which a stored state says nothing, although its
// runs span it. So does one that is being stored. The caller holds mu.
func (p *part) cameBack(at int64) {
	if p.asides.awaited {
		p.asides.came = append(p.asides.came, at)
		p.ahead.stored = without(p.ahead.stored, at)
	}
}

// comesBack reports whether records that were set aside are read again, or will be without an
// operator. The caller holds mu.
func (p *part) comesBack() bool {
	if !p.status().feeds() {
		return false
	}
	for _, e := range p.asides.lanes {
		if !e.parked {
			return true
		}
	}
	return false
}
