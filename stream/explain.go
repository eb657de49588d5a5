package stream

import (
	"fmt"
	"math"
	"time"
)

// Explanation is why a partition does not move, as of At. String formats it for an operator.
//
// Usually the record at the watermark is the reason, and Cause is what that record waits for. Since
// is when Cause began. A handler's Since is exact if its step has a Timeout, or if the element has
// failed before. Otherwise it is when the handler was first seen: it has run since then at least,
// and since Delivered at most.
type Explanation struct {
	TopicPartition
	At    time.Time
	Cause Cause
	Also  []Cause   // other obstacles, such as a budget that is full because of Cause
	Since time.Time // zero: unknown
	Until time.Time // when Cause ends by itself; zero: it does not, or that is unknown

	Record    *Meta     // the record at the watermark; nil: none is unfinished
	Delivered time.Time // when the source delivered it
	// step that Record, or whatever else waits, is in. If several steps run as one, all are named,
	// and Stack shows which one it is
	Step    string
	Attempt int    // number of the attempt in progress, or of the next one; 0: none
	Err     error  // of the last attempt, or why the partition is not read; nil: none
	Detail  string // more, in words
	// what an operator has set that makes Record wait, in words: see SetDegree and SetRate
	Setting string
	Stack   string // of the goroutine that runs the handler; only from Explain

	State             State // zero: not assigned
	Watermark         int64 // the offset that could be committed now
	Committed         int64 // -1: none
	Next              int64 // fetch position
	End               int64 // end of the log as last reported; -1: unknown
	Behind            int   // unfinished records above Record
	BehindKey         int   // those of them with its key; only from Explain
	FinishedAhead     int64 // finished offsets above the watermark
	Room              Room
	CommitErr         error     // why the last commit failed; nil: it did not
	CommitFailedSince time.Time // since when commits have failed

	rough bool // Cause began between Delivered and Since
}

// Room is what the limits of a partition still allow.
type Room struct {
	Records, MaxRecords int   // see MaxInFlight
	Bytes, MaxBytes     int64 // the partition's share of MaxBytes
	// offsets that may still be read, see MaxFinishedAhead; -1: no resume state is stored
	Ahead int64
	// records that may still be read before the resume state is full; -1 as for Ahead
	State int64
}

// Explain returns why a partition does not move: the record at its watermark, what that record
// waits for, how many records wait above it, and what the limits still allow. It costs nothing
// until it is called. If a handler is running, the explanation has its stack. Taking the stack
// stops the whole process for a moment: call Explain in an incident, not in a loop. See Blocked.
func (p *Pipeline) Explain(tp TopicPartition) Explanation {
	return p.explain(true, tp)[0]
}

// Blocked is Explain for several partitions at once, without stacks, for exporters. It costs a few
// microseconds per partition, and reads the state of each worker once.
func (p *Pipeline) Blocked(tps ...TopicPartition) []Explanation { return p.explain(false, tps...) }

func (p *Pipeline) explain(full bool, tps ...TopicPartition) []Explanation {
	es := make([]Explanation, len(tps))
	now, r := time.Now(), p.current()
	if r == nil {
		for i, tp := range tps {
			es[i] = Explanation{TopicPartition: tp, At: now, Cause: CauseStopped, Err: p.Live(), Committed: -1, End: -1}
		}
		return es
	}
	parts := make([]*part, len(tps))
	for i, tp := range tps {
		parts[i] = r.part(tp)
	}
	firsts, wanted := make([]oldest, len(tps)), map[*record]*spotted{}
	for i, q := range parts {
		if q != nil {
			if firsts[i] = q.oldest(); firsts[i].rec != nil {
				wanted[firsts[i].rec] = nil
			}
		}
	}
	busy := r.find(wanted, now)
	for i, tp := range tps {
		e := Explanation{TopicPartition: tp, At: now, Committed: -1, End: -1}
		if q := parts[i]; q == nil {
			e.unassigned(r)
		} else {
			e.assigned(r, busy, q, firsts[i], wanted[firsts[i].rec])
			if full {
				e.look(q, firsts[i], wanted[firsts[i].rec])
			}
		}
		es[i] = e
	}
	return es
}

// oldest is the record at a partition's watermark.
type oldest struct {
	rec    *record // nil: all are finished
	behind int     // unfinished ones
	came   time.Time
}

// oldest returns the partition's first unfinished record, or else the first one in its tail.
func (p *part) oldest() (o oldest) {
	for s, i := range p.led.Unfinished {
		o.rec, o.came = s.Payload.(values).record(i), s.Came()
		_, left := p.led.Count()
		o.behind = max(0, left-1)
		return o
	}
	if p.tail != nil {
		return p.tail.oldest()
	}
	return o
}

// unassigned explains a partition that is not read here.
func (e *Explanation) unassigned(r *run) {
	e.Cause = CauseUnassigned
	if e.troubled(r) {
		return
	}
	if r.phase() >= stopping {
		e.Cause = CauseDrain
	}
}

// troubled explains a partition that its source cannot reach.
func (e *Explanation) troubled(r *run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.troubles[e.TopicPartition]
	if !ok {
		t, ok = r.troubles[TopicPartition{e.Topic, -1, e.Source}]
	}
	if ok {
		e.Cause, e.Since, e.Err = CauseUnreadable, t.Since, t.Err
		return true
	}
	for _, in := range r.inlets {
		if err := in.away(); in.id == e.Source && err != nil {
			e.Cause, e.Err = CauseDisconnected, err
			return true
		}
	}
	return false
}

// assigned explains an assigned partition. It looks in turn for what stops the whole partition, at
// the record at its watermark, at its commits, and for what stops reading.
func (e *Explanation) assigned(r *run, c *busyWorkers, p *part, first oldest, f *spotted) {
	s := p.snapshot(r.plan.commit, time.Now())
	e.State, e.Watermark, e.Committed, e.Next, e.End = s.State, s.Watermark, s.Committed, s.Next, s.End
	e.Room = p.allowance()
	commit := r.commits.holds(p)
	if commit != nil && commit.cause == CauseCommit {
		e.CommitErr, e.CommitFailedSince = commit.last.Err, commit.since
	}
	if first.rec != nil {
		m := first.rec.meta()
		e.Record, e.Delivered, e.Behind = &m, first.came, first.behind
	}
	if _, _, holes, end := p.led.Holes(nil); len(holes) > 0 {
		e.FinishedAhead = end - s.Watermark - p.asideRecords()
		for _, h := range holes {
			e.FinishedAhead -= h.To - h.From
		}
		e.FinishedAhead = max(0, e.FinishedAhead)
	}
	full := p.filled(e.Room)
	var parked *park
	if e.Record != nil {
		parked = p.parks.index.at(e.Record.Offset, e.Record.Key)
	}
	switch {
	case p.status().life() != open:
		e.drains(r, c, p, f, first)
	case s.Halt != nil && (first.rec == nil || p.status().haltedBy() != notHalted):
		e.halts(s.Halt)
	case commit != nil && commit.cause == CauseRestore:
		e.waits(commit)
	case parked != nil:
		e.parked(p, parked)
	case first.rec != nil:
		e.record(r, c, p, f, first, commit)
	case commit != nil:
		e.waits(commit)
	case e.troubled(r):
	case full != CauseNone:
		e.Cause, full = full, CauseNone
	case s.Watermark > max(s.Committed, p.begin) && r.plan.commit != nil:
		e.Detail = "every record that was read has finished, and the next commit is not due yet"
	case s.End >= 0 && s.Next >= s.End:
		e.Cause = CauseIdle
	default:
		e.Detail = "the source is reading it"
	}
	e.asides(p, s)
	for _, c := range []Cause{full, causeOf(commit)} {
		if c != CauseNone && c != e.Cause {
			e.Also = append(e.Also, c)
		}
	}
}

func causeOf(h *hold) Cause {
	if h == nil {
		return CauseNone
	}
	return h.cause
}

// waits explains a partition by a hold.
func (e *Explanation) waits(h *hold) {
	e.Cause, e.Since, e.Until, e.Step, e.Err = h.cause, h.since, h.until, h.step, h.last.Err
	e.Attempt, e.Setting = h.last.Attempts+1, h.setting
	if !h.tried.IsZero() {
		e.Detail = ignores(h.timeout, e.At.Sub(h.tried))
	}
	if h.cause == CausePostponed { // which was no attempt
		e.Attempt = h.last.Attempts
	}
	if h.cause == CauseThrottle || h.cause == CauseBackpressure || h.cause == CauseBatch {
		e.Attempt = 0
	}
}

func (e *Explanation) halts(h *Halt) {
	e.Cause, e.Since, e.Until = CauseHalt, h.Since, h.ResumeAt
	e.Step, e.Attempt, e.Err = h.Step, h.Attempts, h.Err
	if h.By != "" {
		e.Cause = CausePause
		return
	}
	if e.Record == nil || e.Record.Offset != h.Meta.Offset {
		e.Detail = "it is halted at " + h.Meta.String()
	}
}

// parked explains a partition whose first unfinished record is parked.
func (e *Explanation) parked(p *part, k *park) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.halts(k.Halt)
	e.Cause = CausePark
	if n := len(p.parks.all); n > 1 {
		e.Detail = fmt.Sprintf("%d lanes and records of it are parked", n)
	}
}

// asides adds the lanes that are set aside.
func (e *Explanation) asides(p *part, s PartitionState) {
	if s.SetAside == 0 {
		return
	}
	is := "lanes are"
	if s.SetAside == 1 {
		is = "lane is"
	}
	text := fmt.Sprintf("%d %s set aside, the first from offset %d on: %s", s.SetAside, is, s.SetAsideFrom, p.asidesText())
	if e.Detail != "" {
		text = e.Detail + "; " + text
	}
	e.Detail = text
}

// drains explains a drain by what it waits for.
func (e *Explanation) drains(r *run, c *busyWorkers, p *part, f *spotted, first oldest) {
	if f != nil {
		e.record(r, c, p, f, first, nil)
		e.Also = append(e.Also, e.Cause)
	}
	e.Cause = CauseDrain
	r.mu.Lock()
	e.Until = r.deadline
	r.mu.Unlock()
}

// record explains a partition by the record at its watermark.
func (e *Explanation) record(r *run, c *busyWorkers, p *part, f *spotted, first oldest, commit *hold) {
	switch {
	case f != nil:
		f.tell(e)
	case r.inBatch(p, first.rec, e):
	default:
		c.queued(r, p, commit, e)
	}
	if e.Since.IsZero() {
		e.Since = first.came
	}
}

// allowance returns what the partition's limits still allow.
func (p *part) allowance() Room {
	held, pinned := p.led.Held()
	if p.led.OutOfOrder {
		_, held = p.led.Count()
	}
	held += p.below() + int(p.kept.Load())
	limit, share := p.host.limits()
	room := Room{Records: max(0, limit-held), MaxRecords: limit, Bytes: max(0, share-pinned), MaxBytes: share, Ahead: -1, State: -1}
	if p.led.OutOfOrder {
		span := p.led.Span()
		room.Ahead = max(0, p.host.maxAhead()-span)
		room.State = max(0, p.stateRoom(held, span))
	}
	return room
}

// filled returns the limit that stops reading the partition, or CauseNone if there is room.
func (p *part) filled(room Room) Cause {
	if n, _ := p.room(); n > 0 || !p.status().feeds() {
		return CauseNone
	}
	ahead := min(uint64(room.Ahead), uint64(room.State), math.MaxInt64) // -1 is no limit
	if room.Bytes > 0 && ahead < uint64(room.Records) {
		return CauseResumeState
	}
	return CauseBudget
}
