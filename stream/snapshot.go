package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Snapshot is how a pipeline stands. It is made from what the run keeps anyway: taking one does not
// touch the way of the records.
type Snapshot struct {
	Running    bool
	Retrying   int // elements that wait for their next attempt
	Postponed  int // elements whose call was not made: see Postpone
	Overruns   int // handlers that go on after their Timeout: see Overrunning
	Waiting    int // waits that hold no worker, of whatever kind: see MaxWaiting
	Partitions []PartitionState
	Troubles   []Trouble // partitions that cannot be read, assigned or not yet

	handing int // of Waiting, those that a Transform lets wait
}

// PartitionState is how one assigned partition stands.
type PartitionState struct {
	TopicPartition
	Epoch     int32
	State     State
	Watermark int64 // the offset that could be committed now
	Committed int64 // -1: none
	Next      int64 // fetch position
	End       int64 // end of the log as last heard; -1: unknown
	Lag       int64 // from what is committed, or else from the watermark, to End; -1: unknown
	// how long ago the oldest of these was written, by its timestamp; -1: unknown
	LagTime time.Duration
	// records that are neither finished nor parked, from the watermark to End, and how long ago the
	// oldest of them was written; -1: unknown
	ActiveLag     int64
	ActiveLagTime time.Duration
	// records that were fetched and are not finished, and below a commit; with KeepOrder, and where
	// no resume state is stored, all from the watermark to the fetch position
	InFlight int
	// offsets above Committed of which the stored resume state says that they have finished; what an
	// earlier worker has set aside may count too
	FinishedAhead int64
	StateBytes    int   // of the stored resume state
	Bytes         int64 // payload that they keep alive
	Oldest        Meta  // the oldest unfinished record, if InFlight is not 0
	// when that one was delivered: since then the watermark stands before it; zero: nothing is
	// unfinished
	Since  time.Time
	Totals Totals
	Halt   *Halt
	Parked int // parked lanes and records: see ParkOnError
	// lanes whose later records are not in memory, since they are parked or are being read again after
	// a park; and the lowest of the offsets where those begin, 0 if there are none: see Rereader
	SetAside     int
	SetAsideFrom int64
	// the limit that keeps it from being read on: CauseBudget or CauseResumeState; empty: none
	Full Cause
}

// State is what an assigned partition is doing.
type State string

const (
	StateOpen State = "open" // records are read and processed
	// StateWaiting: nothing is read until its Transactor has said where it starts
	StateWaiting State = "waiting"
	StateHalted  State = "halted" // nothing new is started until it is resumed or skipped
	// StateResuming: the halt is over once what was started before it has finished
	StateResuming State = "resuming"
	StateDraining State = "draining" // started records finish, new ones are not started
)

func (s State) String() string { return string(s) }

// Snapshot returns how the pipeline stands.
func (p *Pipeline) Snapshot() Snapshot {
	r := p.current()
	if r == nil {
		return Snapshot{}
	}
	s := Snapshot{Running: true, Retrying: int(r.retrying.Load()), Postponed: int(r.postponed.Load()), Overruns: int(r.overruns.told.Load()),
		Waiting: r.waiting.Taken(), Troubles: r.inTrouble(), handing: int(r.handing.Load())}
	for _, q := range r.all() {
		s.Partitions = append(s.Partitions, q.snapshot(r.plan.commit))
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionState) int {
		return a.order(b.TopicPartition)
	})
	return s
}

func (p *part) snapshot(commit *commitPlan) PartitionState {
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
	if metas, _ := p.unfinished(1); len(metas) > 0 {
		s.Oldest = metas[0]
	}
	s.Totals, s.Since = p.totals(commit)
	from := s.Watermark
	if at := p.committedOffset(); commit != nil && at >= 0 {
		from = at
	}
	s.Full = p.filled(p.allowance())
	l := p.lag(from, time.Now())
	s.Lag, s.LagTime, s.ActiveLag, s.ActiveLagTime = l.records, l.recordsTime, l.active, l.activeTime
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
	case p.sealed != nil:
		h := p.sealed.Halt
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

// Resume tries the record of a halt again, and goes on from there; what had finished behind it is
// not run again. It returns at once, the partition goes on once all that was started before the
// halt is settled, which WaitResumed waits for. ErrStale if the halt is no longer the one that is
// there, ErrNotRunning if nothing runs.
func (p *Pipeline) Resume(h Halt) error { return p.release(h, ending{how: tryAgain}) }

// Skip gives up the whole source record of a halt, and goes on behind it. Otherwise it is Resume. A
// halt that speaks for several records, of which it is not known whose the failure is, is not
// skipped: the error matches ErrSeveral, and SkipRange gives up those that you name.
func (p *Pipeline) Skip(h Halt) error { return p.release(h, ending{how: giveUp}) }

// SkipRange gives up the records from one offset to another, both included, of those that a halt
// speaks for, which lie from h.Meta.Offset to h.Last; the others are tried again. Otherwise it is
// Skip. An error where none of them is among those.
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

// WaitResumed waits, after Resume or Skip, until the partition goes on: what was started before the
// halt has finished, and the record is tried again or given up. nil also where that was so before.
// ErrStale if the partition goes away first, ErrNotRunning if nothing runs, ctx's cause if ctx
// ends.
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
		return fmt.Errorf("%v still waits for what was started before it was halted: %w", h.Meta.TopicPartition(), context.Cause(ctx))
	case <-q.ctx.Done():
	}
	select {
	case <-over: // it goes on elsewhere since then
		return nil
	default:
		return fmt.Errorf("%w: %w", context.Cause(q.ctx), ErrStale)
	}
}

// halted is the partition that h is of, in the assignment that it is of.
func (p *Pipeline) halted(h Halt) (*part, error) {
	r := p.current()
	if r == nil {
		return nil, ErrNotRunning
	}
	if r.phase() != working && r.mending() == nil { // what has been emptied and closed must not be fed again
		return nil, fmt.Errorf("the pipeline is ending, its next run tries %v again: %w", h.Meta, ErrNotRunning)
	}
	r.mu.Lock()
	q := r.parts[h.Meta.TopicPartition()]
	r.mu.Unlock()
	if q == nil {
		return nil, fmt.Errorf("%v is not assigned here: %w", h.Meta.TopicPartition(), ErrStale)
	}
	if q.epoch != h.Epoch {
		return nil, fmt.Errorf("%v@%d, epoch %d: %w", q.tp, h.Meta.Offset, h.Epoch, ErrStale)
	}
	return q, nil
}

// Ready says why the pipeline should get no traffic, and a roll-out should wait: it is not running,
// not connected to what it reads from and commits to, draining, or has a partition whose Transactor
// has not said yet where it goes on. nil: it is ready, with or without partitions. A partition that
// is halted or cannot be read leaves it ready, or a mend could not be rolled out: see Halts,
// Snapshot and ReadyWhen.
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

// Live says why the process should be restarted: Run has ended with an error. A halt, an outage or
// a slow handler is none: a poison record must not become a crash loop.
func (p *Pipeline) Live() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil && p.ran {
		return p.ended
	}
	return nil
}
