package stream

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// A halt outlives its assignment as part of the resume state. A build that has tried the record
// does not try it again. Another build does, since it may contain the fix.

// buildsMost is how many builds that tried a record are kept, newest last.
const buildsMost = 4

// triedBy returns the builds that have tried a halted record, this one included. The caller holds
// mu.
func (p *part) triedBy(offset int64) []resume.Build {
	mine, known := p.host.build()
	if !known {
		return nil
	}
	builds := slices.DeleteFunc(slices.Clone(p.ahead.tried[offset]), func(b resume.Build) bool { return b == mine })
	builds = append(builds, mine)
	return builds[max(0, len(builds)-buildsMost):]
}

// haltsToStore returns the halts to store in the resume state of an offset, oldest first, at most
// as many as may fit.
func (p *part) haltsToStore(offset int64) []resume.Halt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.appendHalts(nil, offset, true)
}

// haltChanges counts the changes so far of halts, and of lanes that are set aside.
func (p *part) haltChanges() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ahead.halts
}

// appendHalts appends the halts to store with an offset, with or without their keys and errors. The
// caller holds mu.
func (p *part) appendHalts(hs []resume.Halt, offset int64, texts bool) []resume.Halt {
	add := func(h *Halt, lane resume.LaneID) {
		r, ok := h.stored(offset, lane)
		if !ok {
			return
		}
		if texts {
			r.Key = string(h.Meta.Key)
			if h.By == "" {
				r.Error = h.Err.Error()
			}
		}
		hs = append(hs, r)
	}
	if p.halt != nil && !p.byTx {
		add(p.halt, resume.LaneID{})
	}
	if p.feedHalt != nil && p.feedHalt.By != "" {
		add(&p.feedHalt.Halt, resume.LaneID{})
	}
	most := p.host.stateBytes() / resume.LeastHalt
	for _, k := range p.parks.all[:min(most, len(p.parks.all))] {
		add(k.Halt, k.id)
	}
	return hs
}

var storedScopes = map[Scope]resume.Scope{ScopePartition: resume.Partition, ScopeLane: resume.Lane, ScopeRecord: resume.Record}

// stored returns the halt as it is stored with an offset, without key and error. One of a failure
// is not stored if nobody knows which build has tried the record. A restored one may have records
// below the offset, which are in the log no longer. An operator's holds from the offset on.
func (h *Halt) stored(offset int64, lane resume.LaneID) (r resume.Halt, ok bool) {
	if h.By != "" {
		r = resume.Halt{Offset: offset, Last: offset, By: h.By}
	} else if len(h.builds) > 0 && h.Last >= offset {
		r = resume.Halt{Offset: max(h.Meta.Offset, offset), Last: h.Last, Joined: h.Joined, Attempts: h.Attempts, Builds: h.builds, Step: h.Step}
	} else {
		return r, false
	}
	r.Scope, r.Since, r.Lane = storedScopes[h.Scope], h.Since.Unix(), lane
	if !h.ResumeAt.IsZero() {
		r.ResumeAt = h.ResumeAt.Unix()
	}
	return r, true
}

// haltChanged makes commits store the start or end of halts soon. If the build is unknown, halts of
// failures are not stored. The caller holds mu.
func (p *part) haltChanged(hs ...*Halt) {
	_, known := p.host.build()
	if p.ahead.halting && (known || slices.ContainsFunc(hs, func(h *Halt) bool { return h.By != "" })) {
		p.ahead.halts++
		p.ahead.urgent.Store(true)
	}
}

// haltsFrom returns the state of a transaction that ends at an offset: the halts from there on;
// empty if there are none.
func (p *part) haltsFrom(offset int64) string {
	if !p.ahead.halting {
		return ""
	}
	hs := p.haltsToStore(offset)
	if hs = slices.DeleteFunc(hs, func(h resume.Halt) bool { return h.Offset < offset }); len(hs) == 0 {
		return ""
	}
	of := p.ahead.of
	of.Offset = offset
	state, _ := resume.Encode(of, resume.State{Halts: hs}, p.host.stateBytes())
	return state
}

// inherit restores the halts of earlier assignments. The partition is halted at a record that this
// build has already tried.
func (p *part) inherit(hs []resume.Halt, a Assignment) {
	mine, known := p.host.build()
	for _, r := range hs {
		if r.By != "" {
			p.inheritHeld(r, a.Next)
			continue
		}
		if r.Offset < a.Next || r.Last >= a.LogEnd || within(p.ahead.earlier, r.Offset) {
			continue
		}
		if p.ahead.tried == nil {
			p.ahead.tried = map[int64][]resume.Build{}
		}
		p.ahead.tried[r.Offset] = r.Builds
		step, _, is := p.host.stepOf(r.Step)
		if !known || !slices.Contains(r.Builds, mine) || !is ||
			r.Scope == resume.Record && r.Last > r.Offset { // the state does not say which of them
			continue
		}
		f := Failure{Meta: p.tp.at(r.Offset), Step: step, Attempts: r.Attempts,
			Err: errors.New(strings.ToValidUTF8(r.Error, "\uFFFD"))}
		if r.Key != "" {
			f.Meta.Key = []byte(r.Key)
		}
		h := &Halt{Failure: f, Scope: ScopePartition, Since: time.Unix(r.Since, 0), Epoch: p.epoch, Last: r.Last, Joined: r.Joined, Restored: true, Durable: true, over: make(chan struct{}), builds: r.Builds}
		if r.ResumeAt != 0 {
			h.ResumeAt = time.Unix(r.ResumeAt, 0)
		}
		for at := r.Offset; at <= r.Last; at++ {
			h.among = append(h.among, at)
		}
		switch {
		case r.Scope == resume.Lane:
			h.Scope = ScopeLane
			p.inheritLane(h, r.Lane)
		case r.Scope == resume.Record:
			h.Scope = ScopeRecord
			p.parks.add(h)
			p.stand(p.status() | someParked)
		case p.halt == nil:
			p.halt = h
			p.stand(p.status().withHalted(byRecord))
		}
	}
}

// inheritLane restores the park of a lane.
func (p *part) inheritLane(h *Halt, id resume.LaneID) {
	if resume.LaneOf(h.Meta.Key) == id {
		p.parks.add(h)
	} else {
		p.parks.addUnknown(h, id)
	}
	p.stand(p.status() | someParked)
}

// inheritHalts restores only the halts of a state. The caller holds mu.
func (p *part) inheritHalts(a Assignment) error {
	if !p.ahead.halting || a.State == "" || p.status().life() != open {
		return nil
	}
	state, err := p.decode(a.Committed, a.State)
	if err == nil {
		p.inherit(state.Halts, a)
	}
	return err
}

// tellRestored reports each restored halt and starts its timer. Call changed after it.
func (p *part) tellRestored() {
	p.mu.Lock()
	hs, s := []*Halt{p.halt}, p.feedHalt
	if s != nil {
		hs = append(hs, &p.feedHalt.Halt)
	}
	for _, k := range p.parks.all {
		hs = append(hs, k.Halt)
	}
	hs = slices.DeleteFunc(hs, func(h *Halt) bool { return h == nil || !h.Restored })
	told := make([]Event, len(hs))
	for i, h := range hs {
		if told[i] = (Halted{*h}); h.By != "" {
			told[i] = Paused{*h}
		}
	}
	p.mu.Unlock()
	for i, h := range hs {
		p.host.emit(told[i])
		if s != nil && h == &s.Halt {
			p.feedHaltBegun(s)
		} else {
			p.begun(h)
		}
	}
}

// giveUpUnread skips the records of a restored halt that were not fed yet. The feed leaves them
// out, as if an earlier assignment had finished them. The caller holds intake.
func (p *part) giveUpUnread(end haltEnd) {
	from := p.led.End()
	p.mu.Lock()
	for _, at := range end.among {
		if at >= from && end.skips(at) && !within(p.ahead.earlier, at) {
			p.ahead.earlier, p.ahead.until = insert(p.ahead.earlier, at), max(p.ahead.until, at+1)
			p.ahead.begun.Store(true)
		}
	}
	next := p.next
	p.mu.Unlock()
	p.advance(p.passEarlier(next), -1)
}

// insert returns runs with an offset added. The runs must not contain it.
func insert(runs []resume.Run, at int64) (all []resume.Run) {
	i, _ := slices.BinarySearchFunc(runs, at, func(r resume.Run, at int64) int { return int(min(max(r.From-at, -1), 1)) })
	var g progress
	for _, r := range slices.Insert(slices.Clone(runs), i, resume.Run{From: at, To: at + 1}) {
		g.add(r.From, r.To)
	}
	return g.runs
}

// inheritHeld restores an operator's halt, from the first offset of the assignment on.
func (p *part) inheritHeld(r resume.Halt, next int64) {
	scope, until := ScopePartition, time.Time{}
	if r.Scope == resume.Lane {
		scope = ScopeLane
	}
	if r.ResumeAt != 0 {
		until = time.Unix(r.ResumeAt, 0)
	}
	h := p.heldBy(scope, strings.ToValidUTF8(r.By, "\uFFFD"), until)
	h.Meta.Offset, h.Last, h.Since, h.Restored = next, next, time.Unix(r.Since, 0), true
	switch {
	case scope == ScopeLane:
		if r.Key != "" {
			h.Meta.Key = []byte(r.Key)
		}
		p.inheritLane(&h, r.Lane)
	case p.feedHalt == nil:
		p.feedHalt = &feedHalt{Halt: h, next: next}
		p.stand(p.status() | sourceHalted)
	}
}
