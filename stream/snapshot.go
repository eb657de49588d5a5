package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Snapshot is how a pipeline stands. It is made from what the run keeps anyway: taking one does not touch the way of the records.
type Snapshot struct {
	Running    bool
	Parked     int // waiting retries
	Postponed  int // elements whose call was not made: see Postpone
	Overruns   int // handlers that go on after their Timeout: see Overrunning
	Lent       int // slots lent by whatever waits
	Partitions []PartitionState
}

// PartitionState is how one assigned partition stands.
type PartitionState struct {
	TopicPartition
	Epoch     int32
	State     string    // open, waiting (for its Transactor to say where it goes on), halted, resuming, draining
	Watermark int64     // the offset that could be committed now
	Committed int64     // -1: none
	Next      int64     // fetch position
	End       int64     // end of the log as last heard; -1: unknown
	Lag       int64     // from what is committed, or else from the watermark, to End; -1: unknown
	InFlight  int       // records between the watermark and the fetch position, and below a commit
	Bytes     int64     // payload that they keep alive
	Oldest    Meta      // the oldest unfinished record, if InFlight is not 0
	Since     time.Time // when that one was delivered: since then the watermark stands before it; zero: nothing is unfinished
	Totals    Totals
	Halt      *Halt
}

// Totals is what an assignment has come to so far.
type Totals struct {
	Delivered   int64 // records from the source
	Bytes       int64 // of their payload
	Finished    int64 // of the records, whatever became of them
	Uncommitted int64 // finished, and at or above what is committed: they are done again if the partition goes elsewhere now. 0 where nothing commits, a transaction does, or a commit stands above the work
}

// Snapshot returns how the pipeline stands.
func (p *Pipeline) Snapshot() Snapshot {
	r := p.current()
	if r == nil {
		return Snapshot{}
	}
	s := Snapshot{Running: true, Parked: int(r.parked.Load()), Postponed: int(r.postponed.Load()), Overruns: int(r.overruns.told.Load()), Lent: r.park.Taken()}
	for _, q := range r.all() {
		s.Partitions = append(s.Partitions, q.snapshot())
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionState) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return s
}

func (p *part) snapshot() PartitionState {
	held, pinned := p.led.Held()
	s := PartitionState{TopicPartition: p.tp, Epoch: p.epoch, State: "open", Watermark: p.led.Watermark(),
		InFlight: held + p.below(), Bytes: pinned, Lag: -1}
	switch st := p.status(); {
	case st.life() != open:
		s.State = "draining"
	case st.halted() == resuming:
		s.State = "resuming"
	case st&unplaced != 0:
		s.State = "waiting"
	case st.halted() != notHalted || st&sourceHalted != 0:
		s.State = "halted"
	}
	if metas, _ := p.unfinished(1); len(metas) > 0 {
		s.Oldest = metas[0]
	}
	s.Totals, s.Since = p.totals()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Committed, s.Next, s.End = p.committed, p.next, p.end
	if hs := p.halts(); len(hs) > 0 {
		s.Halt = &hs[0]
	}
	if p.end >= 0 {
		from := s.Watermark
		if p.run.plan.commit != nil && p.committed >= 0 {
			from = p.committed
		}
		s.Lag = max(0, p.end-from)
	}
	return s
}

// totals also tells since when the oldest unfinished record is here.
func (p *part) totals() (t Totals, oldest time.Time) {
	p.mu.Lock()
	settled := p.settled // first: it may only grow
	p.mu.Unlock()
	t.Delivered, t.Bytes, t.Finished, oldest = p.led.Totals()
	if c := p.run.plan.commit; c != nil && c.transact == nil && !c.above {
		t.Uncommitted = t.Finished - settled
	}
	return t, oldest
}

func (p *Pipeline) current() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

func (r *run) halts() (hs []Halt) {
	for _, p := range r.all() {
		p.mu.Lock()
		hs = append(hs, p.halts()...)
		p.mu.Unlock()
	}
	slices.SortFunc(hs, func(a, b Halt) int { return a.Since.Compare(b.Since) })
	return hs
}

// Halts returns the frozen partitions, the oldest halt first.
func (p *Pipeline) Halts() []Halt {
	if r := p.current(); r != nil {
		return r.halts()
	}
	return nil
}

// Resume tries the record of a halt again, and goes on from there; what had finished behind it is not run again. It returns at once, the partition
// goes on as soon as everything begun before the halt has come to rest. ErrStale if the halt is no longer the one that is there, ErrNotRunning if nothing runs.
func (p *Pipeline) Resume(h Halt) error { return p.release(h, tryAgain) }

// Skip gives up the whole source record of a halt, and goes on behind it. Otherwise it is Resume.
func (p *Pipeline) Skip(h Halt) error { return p.release(h, giveUp) }

func (p *Pipeline) release(h Halt, how resumption) error {
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	if r.phase() != working { // what has been emptied and closed must not be fed again
		return fmt.Errorf("the pipeline is ending, its next run tries %v again: %w", h.Meta, ErrNotRunning)
	}
	r.mu.Lock()
	q := r.parts[h.Meta.TP()]
	r.mu.Unlock()
	if q == nil {
		return fmt.Errorf("%v is not assigned here: %w", h.Meta.TP(), ErrStale)
	}
	return q.release(h, how)
}

// Ready says why the pipeline should get no traffic, or be looked at: it is not running, not connected, draining, or has a halted partition, or
// one whose Transactor has not said yet where it goes on. nil: it is ready, with or without partitions.
func (p *Pipeline) Ready() error {
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	if r.phase() >= stopping {
		return errors.New("the pipeline is draining")
	}
	r.mu.Lock()
	err := r.online
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("not connected: %w", err)
	}
	for _, h := range r.halts() {
		err = errors.Join(err, errors.New(h.String()))
	}
	for _, p := range r.all() {
		if e := p.notPlaced(); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Live says why the process should be restarted: Run has ended with an error. A halt, an outage or a slow handler is none: a poison record
// must not become a crash loop.
func (p *Pipeline) Live() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil && p.ran {
		return p.ended
	}
	return nil
}
