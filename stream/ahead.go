package stream

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// ahead is what has finished above a partition's watermark. The resume state stores it beside the
// offset, so that the next assignment does not reprocess it.
type ahead struct {
	kept     bool           // commits store a resume state
	halting  bool           // commits store halts, in a resume state or alone
	of       resume.Binding // the binding of its states, except the offset
	assigned Assignment     // constant
	begun    atomic.Bool    // earlier is not empty
	urgent   atomic.Bool    // commit the state soon
	attempts attemptCounts
	until    int64 // end of what earlier assignments finished; changed under part.intake

	// guarded by part.mu
	earlier []resume.Run             // finished in earlier assignments, not passed by the feed yet
	stored  []resume.Run             // finished according to the stored state
	records int64                    // records finished when the stored state was made
	bytes   int                      // length of the stored state
	aside   int64                    // records that it has set aside, as far as they are known
	silent  int64                    // offset from which the stored state lists nothing
	halts   int                      // changes of halts so far
	told    int                      // changes of halts in the stored state
	tried   map[int64][]resume.Build // by the offset of a halted record: the builds that tried it
	reserve reserve                  // what the halts and the lanes that are set aside take
}

// reserve is what halts and lanes that are set aside take of a resume state.
type reserve struct {
	of    reserved
	is    resume.Reserved
	halts []resume.Halt // memory
}

// reserved tells whether a reserve still holds. While the watermark rises it does: it is too large.
type reserved struct {
	made          bool
	halt          *Halt
	byTx          bool
	feedHalt      *feedHalt
	parks, asides int // changes
	earlier       int
	end           int64 // if some halts are not fed yet
}

// progress is what a commit stores for a partition.
type progress struct {
	Position
	runs    []resume.Run // finished above the offset, as far as the state lists them
	records int64        // finished records
	covered int64        // at least so many of them are covered by offset and state
	below   int64        // so many of them are covered by the offset alone
	silent  int64        // offset from which the state lists nothing
	halts   int          // changes of halts in the state
	noted   int          // changes of attempts in the state
	aside   int64        // records that were set aside, as far as they are known
}

// withoutState notes that the offset was stored without the state, so that the next commit still
// stores what the state lists.
func (g *progress) withoutState() {
	g.runs, g.records, g.covered, g.silent = nil, g.below, g.below, g.Offset
	g.halts, g.noted = -1, -1
}

// adopt restores what earlier assignments finished, within the assigned range of the log. It fails
// if the state cannot be decoded.
func (p *part) adopt(a Assignment) error {
	p.ahead.silent, p.ahead.assigned = math.MaxInt64, a
	p.ahead.of = resume.Binding{Scope: a.Scope, TopicID: a.TopicID, Topic: a.Topic, Partition: a.Partition}
	if a.State == "" || !p.ahead.kept {
		return nil
	}
	state, err := p.decode(a.Committed, a.State)
	if err != nil {
		return err
	}
	if len(state.Asides) > 0 && !p.asides.able {
		return errAsides
	}
	for _, r := range state.Finished {
		if r.From, r.To = max(r.From, a.Next), min(r.To, a.LogEnd); r.From < r.To {
			p.ahead.earlier, p.ahead.until = append(p.ahead.earlier, r), r.To
		}
	}
	p.ahead.stored = p.ahead.earlier
	p.inherit(state.Halts, a)
	p.inheritAsides(state.Asides, a)
	p.ahead.attempts.inherit(state.Attempts, p.host.stepOf)
	p.ahead.begun.Store(len(p.ahead.earlier) > 0)
	return nil
}

// decode decodes a state that was stored with an offset.
func (p *part) decode(offset int64, state string) (resume.State, error) {
	of := p.ahead.of
	of.Offset = offset
	return resume.Decode(of, state)
}

// finishedAhead returns how many offsets earlier assignments finished that the feed has not passed
// yet.
func (p *part) finishedAhead() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return total(p.ahead.earlier)
}

// roomAhead returns how many records may be fed beside held unfinished ones, so that a state can
// list all of them in whichever order they finish. It is never less than without a state, where
// limit bounds the records above the watermark.
func (p *part) roomAhead(held, limit int) int {
	span := p.led.Span()
	room := max(p.stateRoom(held, span), int64(limit)-span)
	return int(max(0, min(p.host.maxAhead()-span, room, int64(limit))))
}

// stateRoom returns how many offsets may be read so that the resume state can still list all of
// them, the halts, and the lanes that are set aside.
func (p *part) stateRoom(held int, span int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.roomBeside(p.reserve(), held, 0, span)
}

// stateRoomWith is stateRoom with further lanes set aside, and so many records of them less.
func (p *part) stateRoomWith(further []resume.Aside, held, fewer int, span int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.roomBeside(p.reserveWith(further), held, fewer, span)
}

// roomBeside returns the room beside what is reserved. If a record is parked, some of those in
// flight may be parked too. The caller holds mu.
func (p *part) roomBeside(r resume.Reserved, held, fewer int, span int64) int64 {
	inFlight := -1
	if _, known := p.host.build(); known && p.ahead.halting && len(p.parks.all) > 0 {
		idle, _ := p.led.Idle()
		inFlight = max(0, held-idle)
	}
	return r.Room(p.host.stateBytes(), span, max(0, held-fewer), inFlight)
}

// reserve returns what halts and lanes that are set aside take. The caller holds mu.
func (p *part) reserve() resume.Reserved {
	r := &p.ahead.reserve
	of := reserved{true, p.halt, p.byTx, p.feedHalt, p.parks.changes, p.asides.changes, len(p.ahead.earlier), p.led.End()}
	if r.of.end < 0 {
		of.end = -1
	}
	if r.of != of {
		end := p.led.End()
		r.is, of.end = p.reserveWith(nil), -1
		for _, h := range r.halts {
			if h.Offset >= end {
				of.end = end
			}
		}
		r.of = of
	}
	return r.is
}

// stateIsTight reports whether halts and lanes that are set aside take half of the resume state.
func (p *part) stateIsTight() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ahead.halting && 2*p.reserve().Bytes > int64(p.host.stateBytes())
}

// reserveWith returns what is reserved with further lanes set aside. The caller holds mu.
func (p *part) reserveWith(further []resume.Aside) resume.Reserved {
	s := resume.State{Finished: p.ahead.earlier, Asides: append(p.asidesToStore(), further...)}
	mark := p.led.Watermark()
	if p.ahead.halting {
		s.Halts = p.appendHalts(p.ahead.reserve.halts[:0], mark, false)
		p.ahead.reserve.halts = s.Halts
	}
	return resume.Reserve(mark, p.led.End(), s, backMost)
}

// finishedEarlier reports whether an earlier assignment finished the record at offset.
func (p *part) finishedEarlier(offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return within(p.ahead.earlier, offset)
}

// passEarlier notes that the source has fed up to next. It returns the offset to feed from, which
// is past a run of finished records at next.
func (p *part) passEarlier(next int64) int64 {
	end := p.led.End() // records that were not accepted are not passed
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

// passedEarlier reports whether the feed has passed all that earlier assignments finished. The
// caller holds mu.
func (p *part) passedEarlier() bool {
	n := len(p.ahead.earlier)
	return n == 0 || p.ahead.earlier[n-1].To <= p.next
}

// progress returns what a commit would store now.
func (p *part) progress() progress {
	if !p.ahead.kept {
		offset, records := p.led.Prefix()
		return progress{Position: Position{Offset: offset, TopicID: p.topic}, records: records, covered: records, below: records}
	}
	changes := p.haltChanges() // before what the state lists: a later change is news
	offset, records, holes, end, earlier, asides := p.toStore()
	_, below := p.led.Prefix()
	g := progress{Position: Position{Offset: offset, TopicID: p.topic}, records: records, covered: records, below: min(below, records), halts: changes}
	g.runs = make([]resume.Run, 0, len(holes)+len(earlier)+1)
	if g.aside = p.asideRecords(); len(asides) > 0 { // the watermark may lie below what has finished
		to := end
		if len(holes) > 0 {
			to = holes[0].From
		}
		g.add(offset, to)
	}
	for i, h := range holes {
		to := end
		if i+1 < len(holes) {
			to = holes[i+1].From
		}
		g.add(h.To, to)
	}
	for _, r := range earlier {
		g.add(max(r.From, end), r.To)
	}
	of := p.ahead.of
	of.Offset = offset
	halts := p.haltsToStore(offset)
	var told int64
	p.mu.Lock()
	var attempts []resume.Attempts
	attempts, g.noted = p.ahead.attempts.toStore(holes, end)
	p.mu.Unlock()
	g.State, told = resume.Encode(of, resume.State{Finished: g.runs, Asides: asides, Halts: halts, Attempts: attempts}, p.host.stateBytes())
	g.silent = told
	if n := len(g.runs); n > 0 && g.runs[n-1].To > told {
		g.runs = slices.DeleteFunc(g.runs, func(r resume.Run) bool { return r.To > told })
		g.covered = g.below
	}
	return g
}

// toStore returns what a state is made of. A lane is set aside, or read again, in the ledger and
// beside it in one step. So both are read in one step; otherwise a state might list the lane in
// neither.
func (p *part) toStore() (offset, records int64, holes []ledger.Span, end int64, earlier []resume.Run, asides []resume.Aside) {
	p.mu.Lock()
	earlier = p.ahead.earlier // before the ledger, which has every run that the feed passes in between
	p.asides.came = nil
	if !p.asides.able { // no lane will be either
		p.mu.Unlock()
		offset, records, p.holes, end = p.led.Holes(p.holes[:0])
		return offset, records, p.holes, end, earlier, nil
	}
	defer p.mu.Unlock()
	offset, records, p.holes, end = p.led.Holes(p.holes[:0])
	return offset, records, p.holes, end, earlier, p.asidesToStore()
}

// add appends a run past those that there are.
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
