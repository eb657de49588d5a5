package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Snapshot is the state of a pipeline at one moment. Taking one does not slow down records.
type Snapshot struct {
	Running    bool
	Retrying   int // elements that wait for their next attempt
	Postponed  int // elements whose call was not made: see Postpone
	Overruns   int // handlers still running after their Timeout: see Overrunning
	Waiting    int // waits of any kind that hold no worker: see MaxWaiting
	Partitions []PartitionState
	Troubles   []Trouble    // partitions that cannot be read, assigned or not
	Degrees    []StepDegree // of the steps whose degree SetDegree can change
	Rates      []StepRate   // the pipeline's, then those of Throttles

	handing int // of Waiting, those for a Transform to receive an element
}

// PartitionState is the state of one assigned partition.
type PartitionState struct {
	TopicPartition
	Epoch     int32
	State     State
	Watermark int64 // the offset that could be committed now
	Committed int64 // -1: none
	Next      int64 // fetch position
	End       int64 // end of the log as last reported; -1: unknown
	// records from Committed (without a commit: from Watermark) to End; -1: unknown
	Lag int64
	// age of the oldest of these, by its timestamp; -1: unknown
	LagTime time.Duration
	// records from Watermark to End that are neither finished nor parked, and the age of the oldest;
	// -1: unknown
	ActiveLag     int64
	ActiveLagTime time.Duration
	// fetched records that are not finished, and elements below CommitBefore. With KeepOrder, and
	// without a resume state, all records from Watermark to Next
	InFlight int
	// offsets above Committed that the stored resume state lists as finished. They may include
	// records that an earlier worker set aside
	FinishedAhead int64
	StateBytes    int   // size of the stored resume state
	Bytes         int64 // payload that the records in flight keep in memory
	Oldest        Meta  // the oldest unfinished record, if InFlight is not 0
	// when Oldest was delivered; Watermark has not moved since. Zero: no record is unfinished
	Since  time.Time
	Totals Totals
	Halt   *Halt
	Parked int // parked lanes and records: see ParkOnError
	// lanes whose later records are not in memory: they are parked, fail for long, or are being read
	// again after that. SetAsideFrom is the lowest offset of those records; 0: there are none. See
	// Rereader
	SetAside     int
	SetAsideFrom int64
	// the limit that stops reading: CauseBudget or CauseResumeState; empty: none
	Full Cause
}

// State is what an assigned partition is doing.
type State string

const (
	StateOpen State = "open" // records are read and processed
	// StateWaiting: nothing is read until the Transactor has returned where to start
	StateWaiting State = "waiting"
	StateHalted  State = "halted" // no record is started until Resume or Skip
	// StateResuming: the halt ends once the records started before it have finished
	StateResuming State = "resuming"
	StateDraining State = "draining" // started records finish, new ones are not started
)

func (s State) String() string { return string(s) }

// Snapshot returns the state of the pipeline.
func (p *Pipeline) Snapshot() Snapshot {
	r := p.current()
	if r == nil {
		return Snapshot{}
	}
	s := Snapshot{Running: true, Retrying: int(r.retrying.Load()), Postponed: int(r.postponed.Load()), Overruns: int(r.overruns.told.Load()),
		Waiting: r.waiting.Taken(), Troubles: r.inTrouble(), Degrees: r.degrees(), Rates: r.rates(), handing: int(r.handing.Load())}
	parts, now := r.all(), time.Now()
	s.Partitions = make([]PartitionState, 0, len(parts))
	for _, q := range parts {
		if !q.status().isReleased() { // it may be assigned again
			s.Partitions = append(s.Partitions, q.snapshot(r.plan.commit, now))
		}
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionState) int {
		return a.order(b.TopicPartition)
	})
	return s
}

func (p *part) snapshot(commit *commitPlan, now time.Time) PartitionState {
	held, pinned := p.led.Held()
	if p.led.OutOfOrder {
		_, held = p.led.Count()
	}
	s := PartitionState{TopicPartition: p.tp, Epoch: p.epoch, State: StateOpen, Watermark: p.led.Watermark(),
		InFlight: held + p.below(), Bytes: pinned}
	switch st := p.status(); {
	case st.life() != open:
		s.State = StateDraining
	case st.halted() == resuming:
		s.State = StateResuming
	case st&unplaced != 0:
		s.State = StateWaiting
	case st.halted() != notHalted || st&sourceHalted != 0:
		s.State = StateHalted
	}
	s.Totals, s.Since = p.totals(commit)
	from := s.Watermark
	if at := p.committedOffset(); commit != nil && at >= 0 {
		from = at
	}
	s.Full = p.filled(p.allowance())
	l := p.lag(from, now)
	s.Lag, s.LagTime, s.ActiveLag, s.ActiveLagTime = l.records, l.recordsTime, l.active, l.activeTime
	s.Oldest = l.oldest
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Committed, s.Next, s.End = p.committed, p.next, p.end
	s.FinishedAhead, s.StateBytes = max(0, total(p.ahead.stored)-p.ahead.aside), p.ahead.bytes
	if s.SetAside = len(p.asides.lanes); s.SetAside > 0 {
		s.SetAsideFrom = p.asideFrom()
	}
	switch {
	case p.halt != nil:
		h := *p.halt
		s.Halt = &h
	case p.feedHalt != nil:
		h := p.feedHalt.Halt
		s.Halt = &h
	}
	s.Parked = len(p.parks.all)
	return s
}

func (p *Pipeline) current() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// Halts returns the halted partitions and the parked lanes and records, the oldest first.
func (p *Pipeline) Halts() []Halt {
	if r := p.current(); r != nil {
		return r.halts()
	}
	return nil
}

// Resume ends a halt and retries its record. Records that had finished above it are not processed
// again. Resume returns at once. The partition continues once all records started before the halt
// have settled; WaitResumed waits for that.
//
// The error is ErrStale if the partition is no longer halted by h, and ErrNotRunning if the
// pipeline does not run.
func (p *Pipeline) Resume(h Halt) error { return p.release(h, ending{how: tryAgain}) }

// Skip ends a halt and gives up its source record as a whole. Otherwise it is like Resume. If the
// halt covers several records, and any of them may be the cause, nothing is skipped and the error
// matches ErrSeveral. Use SkipRange to say which records to give up.
func (p *Pipeline) Skip(h Halt) error { return p.release(h, ending{how: giveUp}) }

// SkipRange ends a halt and gives up those of its records whose offsets are in [from, to]. The
// halt's other records, from h.Meta.Offset to h.Last, are retried. Otherwise it is like Skip. It
// fails if the halt has no record in the range.
func (p *Pipeline) SkipRange(h Halt, from, to int64) error {
	return p.release(h, ending{giveUp, true, from, to})
}

func (p *Pipeline) release(h Halt, as ending) error {
	q, err := p.halted(h)
	if err != nil {
		return err
	}
	return q.release(h, as)
}

// WaitResumed waits, after Resume or Skip, until the partition continues. By then the records
// started before the halt have finished, and the halt's record is retried or given up. It returns
// nil at once if the halt has ended already.
//
// The error is ErrStale if the partition is revoked or lost first, ErrNotRunning if the pipeline
// does not run, and ctx's cause if ctx ends.
func (p *Pipeline) WaitResumed(ctx context.Context, h Halt) error {
	q, err := p.halted(h)
	if err != nil {
		return err
	}
	over := q.over(h)
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%v still waits for records started before the halt: %w", h.Meta.TopicPartition(), context.Cause(ctx))
	case <-q.ctx.Done():
	}
	select {
	case <-over: // it ended before the partition was released
		return nil
	default:
		return fmt.Errorf("%w: %w", context.Cause(q.ctx), ErrStale)
	}
}

// halted returns the partition of h, in h's assignment.
func (p *Pipeline) halted(h Halt) (*part, error) {
	r := p.current()
	if r == nil {
		return nil, ErrNotRunning
	}
	if r.phase() != working && r.resuming() == nil { // stages that were flushed and closed take no more records
		return nil, tooLate(h)
	}
	q := r.part(h.Meta.TopicPartition())
	if q == nil {
		return nil, fmt.Errorf("%v is not assigned here: %w", h.Meta.TopicPartition(), ErrStale)
	}
	if q.epoch != h.Epoch {
		return nil, fmt.Errorf("%v@%d, epoch %d: %w", q.tp, h.Meta.Offset, h.Epoch, ErrStale)
	}
	return q, nil
}

// Ready returns why the pipeline is not ready and a roll-out should wait, or nil if it is ready. It
// is not ready if it does not run, is not connected to its source, or drains, or while a Transactor
// has not returned where a partition starts. It needs no partitions to be ready.
//
// A halted or unreadable partition leaves the pipeline ready, since a roll-out may bring the fix.
// To wait for those too, see ReadyWhen.
func (p *Pipeline) Ready() error {
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	if r.phase() >= stopping {
		return errors.New("the pipeline is draining [LW214]")
	}
	err := r.unreached()
	if err != nil {
		return fmt.Errorf("not connected: %w", err)
	}
	for _, check := range p.opts.ready {
		if bad := guarded(func() error { err = errors.Join(err, check(p.Snapshot())); return nil }); bad != nil {
			err = errors.Join(err, bad)
		}
	}
	for _, p := range r.all() {
		if e := r.commits.waiting(p); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Live returns the error that Run has ended with, or nil. With an error, the process should be
// restarted. A halt, an outage or a slow handler is no such error, so that a poison record causes
// no crash loop.
func (p *Pipeline) Live() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil && p.ran {
		return p.ended
	}
	return nil
}
