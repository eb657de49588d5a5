package stream

import (
	"bytes"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// A park is a halt of one lane, or of single records where elements have no order: see ParkOnError.
// Workers drop parked records before a step begins them, so they wait in the ledger, unfinished and
// held by nothing. The end of a park puts them back into the first stage, in order.

// parks is the parked lanes and records of a partition.
type parks struct {
	all      []*park                          // oldest first; guarded by part.mu
	index    parkIndex                        // of all; written under part.mu
	unknown  []*park                          // not in index: see recognize; guarded by part.mu
	leaving  atomic.Int32                     // parks whose end was asked for
	skips    atomic.Int32                     // of these, those that give records up
	waits    atomic.Pointer[[]*ledger.Ticket] // see unparkSoon
	backoffs map[int64]*haltBackoff           // by the offset of a parked record; guarded by part.mu
	prune    int                              // size of backoffs at which old ones are removed
	changes  int                              // of all, so far; guarded by part.mu
}

// park is guarded by part.mu.
type park struct {
	*Halt
	lane   uint64        // if the scope is a lane
	id     resume.LaneID // of that lane
	resume resumption
	ended  bool // observers have heard of the end: it can no longer change
}

// add adds a park. The caller holds part.mu.
func (ps *parks) add(h *Halt) {
	k := &park{Halt: h}
	if h.Scope == ScopeLane {
		k.lane, k.id = keyHash(h.Meta.Key), resume.LaneOf(h.Meta.Key)
	}
	ps.all = append(ps.all, k)
	ps.changes++
	ps.index.add(k)
}

// addUnknown adds a park of a lane whose key is not known yet. The caller holds part.mu.
func (ps *parks) addUnknown(h *Halt, id resume.LaneID) {
	k := &park{Halt: h, id: id}
	ps.all, ps.unknown = append(ps.all, k), append(ps.unknown, k)
	ps.changes++
}

// recognize looks for the keys of parked lanes among records that are fed. The first record of a
// lane at or above the parked offset has its key: the parked record, unless the log has lost it.
// The caller holds mu.
func (p *part) recognize(s *ledger.Slab) {
	ps := &p.parks
	for i := range s.Tickets {
		at := s.Offset(i)
		if !slices.ContainsFunc(ps.unknown, func(k *park) bool { return k.Meta.Offset <= at }) {
			continue
		}
		key := s.Payload.(values).key(int32(i))
		id := resume.LaneOf(key)
		ps.unknown = slices.DeleteFunc(ps.unknown, func(k *park) bool {
			if k.Meta.Offset > at || k.id != id {
				return false
			}
			k.Meta.Key, k.lane = bytes.Clone(key), keyHash(key)
			ps.index.add(k)
			return true
		})
	}
}

// remove removes parks. The caller holds part.mu.
func (ps *parks) remove(ks []*park) {
	gone := make(map[*park]bool, len(ks))
	for _, k := range ks {
		gone[k] = true
		if !slices.Contains(ps.unknown, k) {
			ps.index.remove(k)
		}
	}
	ps.unknown = slices.DeleteFunc(ps.unknown, func(k *park) bool { return gone[k] })
	ps.all = slices.DeleteFunc(ps.all, func(k *park) bool { return gone[k] })
	ps.changes++
}

// find returns the park of which h is a copy, or nil. The caller holds part.mu.
func (ps *parks) find(h Halt) *park {
	for _, k := range ps.all {
		if k.same(h) && k.Epoch == h.Epoch && k.resume <= tryItself {
			return k
		}
	}
	return nil
}

// with returns the park with that halt, or nil. The caller holds part.mu.
func (ps *parks) with(h *Halt) *park {
	for _, k := range ps.all {
		if k.Halt == h {
			return k
		}
	}
	return nil
}

// backoffOf returns the count of consecutive parks of the record at offset. The caller holds
// part.mu.
func (ps *parks) backoffOf(offset, watermark int64) *haltBackoff {
	if len(ps.backoffs) >= ps.prune {
		maps.DeleteFunc(ps.backoffs, func(at int64, _ *haltBackoff) bool { return at < watermark })
		ps.prune = 2*len(ps.backoffs) + 64
	}
	if ps.backoffs == nil {
		ps.backoffs = map[int64]*haltBackoff{}
	}
	if ps.backoffs[offset] == nil {
		ps.backoffs[offset] = &haltBackoff{}
	}
	return ps.backoffs[offset]
}

// park parks the lane or the records of a failure. Other records of the lane that wait continue to
// wait; they are dropped once they reach their next step. f is the failure of the first suspect. If
// again is set, the park ends by itself after that time: see ResumeAfter.
func (p *part) park(f Failure, of suspects, scope Scope, again time.Duration) {
	h := p.haltOf(f, of, scope)
	p.mu.Lock()
	stays := p.status().life() == open
	if stays {
		if again > 0 {
			h.ResumeAt = h.Since.Add(p.parks.backoffOf(f.Meta.Offset, p.led.Watermark()).next(p, f.Meta.Offset, false, again))
		}
		h.builds = p.triedBy(f.Meta.Offset)
		h.Durable = len(h.builds) > 0 && p.ahead.halting
		p.parks.add(h)
		if scope == ScopeLane {
			p.parkAside(resume.LaneOf(h.Meta.Key))
		}
		p.ahead.attempts.forget(h.among)
		p.stand(p.status() | someParked)
		p.haltChanged(h)
	}
	told := Halted{*h}
	p.mu.Unlock()
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.host.emit(told)
	if stays {
		p.begun(h)
	}
	p.changed()
}

// release asks for the end of a park. It returns false if that was asked for before. The caller
// holds part.mu.
func (ps *parks) release(k *park, how resumption) bool {
	before := k.resume
	if before == noResume {
		ps.leaving.Add(1)
	}
	if how == giveUp && before != giveUp {
		ps.skips.Add(1)
	}
	k.resume = max(before, how)
	return before == noResume
}

// parked reports whether a source record is parked. The caller holds its ticket, or the ticket has
// settled unfinished.
func (r *record) parked() bool { return r.part.parks.index.at(r.offset(), r.key()) != nil }

// covers reports whether a record is parked.
func (ps *parks) covers(m Meta) bool { return ps.index.at(m.Offset, m.Key) != nil }

// lane returns a park of a lane, or nil. The caller holds part.mu.
func (ps *parks) lane(id resume.LaneID) *park {
	for _, k := range ps.all {
		if k.Scope == ScopeLane && k.id == id {
			return k
		}
	}
	return nil
}
