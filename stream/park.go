package stream

import (
	"slices"
	"sync/atomic"
	"time"
)

// A park is a halt of one lane, or of single records where elements have no order: see ParkOnError.
// Workers drop parked records before a step begins them, so they wait in the ledger, unfinished and
// held by nothing. The end of a park puts them back into the first stage, in order.

// parks is the parked lanes and records of a partition.
type parks struct {
	all     []*park                // oldest first; guarded by part.mu
	index   atomic.Pointer[parked] // of all; nil: none. Written under part.mu
	leaving atomic.Int32           // parks whose end was asked for
	mends   map[int64]*mends       // by the offset of a parked record; guarded by part.mu
}

// park is guarded by part.mu.
type park struct {
	*Halt
	of     *parks
	lane   uint64 // if the scope is a lane
	resume resumption
	ended  bool // observers have heard of the end: it can no longer change
}

// parked tells workers which records are parked. It never changes.
type parked struct {
	lanes   map[uint64]int64 // by lane: the first parked offset
	records map[int64]bool
}

// add adds a park. The caller holds part.mu.
func (ps *parks) add(h *Halt) *park {
	k := &park{Halt: h, of: ps}
	if h.Scope == ScopeLane {
		k.lane = keyHash(h.Meta.Key)
	}
	ps.all = append(ps.all, k)
	ps.reindex()
	return k
}

// remove removes a park. The caller holds part.mu.
func (ps *parks) remove(k *park) {
	ps.all = slices.DeleteFunc(ps.all, func(o *park) bool { return o == k })
	ps.leaving.Add(-1)
	ps.reindex()
}

func (ps *parks) reindex() {
	if len(ps.all) == 0 {
		ps.index.Store(nil)
		return
	}
	x := &parked{lanes: map[uint64]int64{}, records: map[int64]bool{}}
	for _, k := range ps.all {
		if k.Scope == ScopeLane {
			if from, is := x.lanes[k.lane]; !is || k.Meta.Offset < from {
				x.lanes[k.lane] = k.Meta.Offset
			}
			continue
		}
		for _, at := range k.among {
			x.records[at] = true
		}
	}
	ps.index.Store(x)
}

// find returns the park that h is a copy of, or nil. The caller holds part.mu.
func (ps *parks) find(h Halt) *park {
	for _, k := range ps.all {
		if k.Scope == h.Scope && k.Epoch == h.Epoch && k.Meta.Offset == h.Meta.Offset && k.resume <= tryItself {
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

// mendsAt returns the count of consecutive parks of the record at offset. The caller holds part.mu.
func (ps *parks) mendsAt(offset, watermark int64) *mends {
	for at := range ps.mends {
		if at < watermark {
			delete(ps.mends, at)
		}
	}
	if ps.mends == nil {
		ps.mends = map[int64]*mends{}
	}
	if ps.mends[offset] == nil {
		ps.mends[offset] = &mends{}
	}
	return ps.mends[offset]
}

// park parks the lane or the records of a failure. Waits of other records of the lane go on; they
// are dropped once they reach their next step. f is the failure of the first suspect. If again is
// set, the park ends by itself after that time: see ResumeAfter.
func (p *part) park(f Failure, of suspects, scope Scope, again time.Duration) {
	h := p.haltOf(f, of, scope)
	p.mu.Lock()
	stays := p.status().life() == open
	if stays {
		if again > 0 {
			h.ResumeAt = h.Since.Add(p.parks.mendsAt(f.Meta.Offset, p.led.Watermark()).next(p, f.Meta.Offset, false, again))
		}
		h.builds = p.triedBy(f.Meta.Offset)
		p.parks.add(h)
		p.ahead.attempts.forget(h.among)
		p.stand(p.status() | someParked)
		p.haltChanged()
	}
	p.mu.Unlock()
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.host.emit(Halted{*h})
	if stays {
		p.mendLater(h)
	}
	p.changed()
}

// covers reports whether the record with that offset and key is parked by k.
func (k *park) covers(offset int64, key []byte) bool {
	if k.Scope == ScopeLane {
		return offset >= k.Meta.Offset && keyHash(key) == k.lane
	}
	_, is := slices.BinarySearch(k.among, offset)
	return is
}

// release asks for the end of the park. It returns false if that was asked for before. The caller
// holds part.mu.
func (k *park) release(how resumption) bool {
	before := k.resume
	if before == noResume {
		k.of.leaving.Add(1)
	}
	k.resume = max(before, how)
	return before == noResume
}

// parked reports whether a source record is parked. The caller holds its ticket, or the ticket has
// settled unfinished.
func (r *record) parked() bool {
	x := r.part.parks.index.Load()
	return x != nil && x.has(r.offset(), r.key())
}

// covers reports whether a record is parked.
func (ps *parks) covers(m Meta) bool {
	x := ps.index.Load()
	return x != nil && x.has(m.Offset, m.Key)
}

func (x *parked) has(offset int64, key []byte) bool {
	if x.records[offset] {
		return true
	}
	if len(x.lanes) == 0 {
		return false
	}
	from, is := x.lanes[keyHash(key)]
	return is && offset >= from
}
