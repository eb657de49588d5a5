package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// part is one assignment of one partition, with its ledger, lanes and budget.
type part struct {
	host        host
	source      int   // index of its inlet
	entry       int   // index of the stage where its records start; -1 in a tail
	above       *part // in a tail: the partition that it belongs to
	tail        *part // nil in a pipeline without CommitBefore
	tp          TopicPartition
	topic       TopicID
	epoch       int32
	ctx         context.Context // of its records
	cancel      context.CancelCauseFunc
	wake        func()
	restart     func(next int64)
	expired     func() bool // see Assignment.Expired
	led         ledger.Ledger
	barrier     ackBarrier
	stands      atomic.Uint32        // a status
	sets        []*lane.Set          // by stage
	state       []any                // by step.state: the state of batches, ordered steps and dead letters
	orders      []any                // by stage: a *reorder if it keeps order
	moving      atomic.Int64         // tasks queued or in work; counted only if run.counts
	kept        atomic.Int64         // records whose results are held back for a transaction
	commit      any                  // state that commits keeps for the partition
	listed      atomic.Bool          // in the news of its commits
	refusal     atomic.Pointer[hold] // the refusal of its last commit; nil: it was stored
	pending     atomic.Int32         // changes that reconcile has not seen yet
	triedInVain atomic.Bool          // an attempt has failed while the partition drains
	step        atomic.Int32         // see freed
	since       atomic.Int32         // records finished since the last look for room
	full        atomic.Bool          // the source found no room and waits for wake
	last        atomic.Int64         // see lastStarted
	lastOnce    sync.Once            // sets last
	rested      chan struct{}        // capacity 1: wakes the goroutine that drains; see lookAgain
	holes       []ledger.Span        // memory of progress, which only the committer calls

	// held while fed or resumed records go into their lanes, so that the two do not mix; taken
	// before mu
	intake sync.Mutex

	// guards the fields below; taken before the ledger's lock, never held across a call out
	mu          sync.Mutex
	next        int64     // fetch position
	end         int64     // high watermark; -1 if unknown
	newest      time.Time // of the last record that was fed
	committed   int64     // -1 if none
	begin       int64     // first offset of the assignment; constant
	settled     int64     // records finished in this assignment and committed
	unsure      bool      // a commit failed, and may still arrive: commit once more in the drain
	ahead       ahead
	stop        chan struct{} // closed by stand when waits must end; goOn makes a new one
	halt        *Halt
	haltBackoff haltBackoff
	parks       parks
	asides      asides
	byTx        bool // halt is a transaction's
	feedHalt    *feedHalt
	resume      resumption
	acks        []ack                           // workers that wait for a commit
	custom      map[any]any                     // StateOf
	onSettled   map[*ledger.Ticket][]func(bool) // OnSettled
}

type resumption uint8

const (
	noResume  resumption = iota
	tryItself            // no operator asked: see ResumeAfter
	tryAgain
	giveUp
)

// room returns how many records and bytes the source may feed, up to the limit and the partition's
// share.
func (p *part) room() (records int, bytes int64) { return p.roomIf(p.full.Load()) }

// roomIf is room for a source that waits, or does not. Once it waits, a quarter of what is not
// parked must become free first, so that a full partition is not fetched record by record. A
// partition with nothing in flight always has room for one record.
func (p *part) roomIf(waits bool) (records int, bytes int64) {
	if !p.status().feeds() {
		return 0, 0
	}
	held, pinned := p.led.Held()
	held += p.below() + int(p.kept.Load())
	limit, share := p.host.limits()
	limit += p.unpassed()
	if p.led.OutOfOrder {
		ahead := p.roomAhead(held, limit)
		if held > limit*3/4 || held+ahead < limit {
			_, held = p.led.Count() // unfinished records only: one of them holds its whole slab
			ahead = p.roomAhead(held, limit)
		}
		limit = min(limit, held+ahead)
	}
	if held == 0 {
		return limit, max(share, 1)
	}
	records, bytes = limit-held, share-pinned
	least, leastBytes := 1, int64(1)
	if waits {
		idle, idleBytes := p.idle()
		least, leastBytes = max(1, (limit-idle+3)/4), max(1, (share-idleBytes+3)/4)
		p.step.Store(int32(least/4 + 1))
	}
	if records < least || bytes < leastBytes {
		return 0, 0
	}
	return records, bytes
}

// idle returns what waiting records take of the limits, which no record that finishes makes free:
// those that are parked, and those of lanes that stall.
func (p *part) idle() (records int, bytes int64) {
	if p.status()&someParked != 0 {
		records, bytes = p.led.Idle()
	}
	return records + p.stalling(), bytes
}

// feed adds a slab to the ledger and puts its records into the lanes of the first stage.
func (p *part) feed(s *ledger.Slab, next int64) {
	vs := s.Payload.(values)
	m, _ := vs.meta(int32(len(s.Tickets) - 1))
	p.mu.Lock()
	p.next, p.newest = max(p.next, next), m.Time
	waits := p.status().halted() != notHalted
	if waits {
		s.Defer() // refill puts it into its lanes after the halt
	}
	// Under mu, like endHalt. Otherwise a halt could start and end between the check above and
	// Append, and refill would put the records into their lanes a second time.
	p.led.Append(s)
	if len(p.parks.unknown) > 0 {
		p.recognize(s)
	}
	p.mu.Unlock()
	if !waits {
		p.host.feed(p, vs)
	}
	p.advancesAside()
}

// advance moves the fetch position over offsets without records and notes the end of the log.
func (p *part) advance(next, end int64) {
	if p.status()&unplaced != 0 {
		return // its first offset is not known yet
	}
	p.mu.Lock()
	moved := next > p.next
	p.next = max(p.next, next)
	p.end = max(p.end, end)
	p.mu.Unlock()
	if moved && p.status().life() == open {
		p.advancesAside()
		p.led.Advance(next)
		p.host.advanced(p)
	}
}

// fetched returns the fetch position.
func (p *part) fetched() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// below returns how many records wait at the ack barrier or are in the tail.
func (p *part) below() int {
	if p.tail == nil {
		return 0
	}
	// read the barrier first: a record is counted in the tail before the barrier stops counting it
	waiting := int(p.barrier.held.Load())
	held, _ := p.tail.led.Held()
	return waiting + held
}

// stopped returns a channel that is closed when waits must end.
func (p *part) stopped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop
}

// lastStarted returns the last offset that a drain still starts. With a resume state there is none,
// and it is -1. If only the watermark is stored, it is the last offset that has started. Records
// queued below it are started too: each one left unfinished would have the records that finished
// above it reprocessed.
func (p *part) lastStarted() int64 {
	if p.led.OutOfOrder {
		return -1
	}
	p.lastOnce.Do(func() {
		working := p.host.started(p) // before the ledger, which has what a worker just finished
		p.last.Store(max(working, p.led.Frontier()))
	})
	return p.last.Load()
}

// giveUpFrom has a drain start no record at or above offset. The drain leaves offset unfinished, so
// records that finish above it would be reprocessed.
func (p *part) giveUpFrom(offset int64) {
	if p.led.OutOfOrder {
		return
	}
	for last := p.lastStarted(); last >= offset && !p.last.CompareAndSwap(last, offset-1); last = p.last.Load() {
	}
}

// shut starts the drain of the partition: no more records are accepted. A concurrent Feed that has
// not seen the new status has returned when shut does, so that its records are counted from then
// on.
func (p *part) shut() {
	p.rise(draining)
	p.intake.Lock()
	defer p.intake.Unlock()
	if p.led.OutOfOrder { // what is queued is dropped, which takes no time but needs a worker
		p.sets[p.entry].Hasten()
	}
}

// endAssignment ends the assignment: its results no longer count. ended is false if it had ended
// before. For torn see closeBarrier: only who ends the assignment gets them. After a drain there
// are none, since it has closed the barrier.
func (p *part) endAssignment(cause error) (torn []*record, ended bool) {
	if !p.rise(released) {
		return nil, false
	}
	p.cancel(cause)
	torn = p.closeBarrier()
	p.host.released(p, cause)
	p.host.discard(p)
	p.freeAcks()
	p.changed()
	return torn, true
}

// calm reports whether no ticket of the partition is held and no ending halt is about to put
// records back.
func (p *part) calm() bool {
	// in this order: refill holds the tickets it puts back before resuming ends
	return !p.ending() && p.led.AtRest()
}

// ending reports whether a halt or a park is about to put records back, or lanes are read again.
func (p *part) ending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status()
	parks := s.life() == open && p.parks.leaving.Load() > 0 || s.life() == draining && p.parks.skips.Load() > 0
	return p.resume != noResume || s.halted() == resuming || parks || p.comesBack()
}

// totals also returns when the oldest unfinished record was fed.
func (p *part) totals(commit *commitPlan) (t Totals, oldest time.Time) {
	p.mu.Lock()
	settled := p.settled // before the ledger's totals, since it may only grow
	p.mu.Unlock()
	t.Delivered, t.Bytes, t.Finished, oldest = p.led.Totals()
	if commit.storesOffsets() {
		t.Uncommitted = t.Finished - settled
	}
	return t, oldest
}

// status returns the current status.
func (p *part) status() status { return status(p.stands.Load()) }

// setStatus changes the status and ends waits that the new one does not allow. It returns the
// previous status.
func (p *part) setStatus(to func(status) status) (before status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.status()
	p.stand(to(before))
	return before
}

// stand sets the status. The caller holds mu.
func (p *part) stand(s status) {
	p.stands.Store(uint32(s))
	if s.waits() {
		return
	}
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
}

// rise moves the partition's life forward. It returns false if life had come that far before.
func (p *part) rise(l life) bool {
	return p.setStatus(func(s status) status { return s.withLife(l) }).life() < l
}
