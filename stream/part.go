package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// part is one assignment of one partition: its ledger, its lanes, its budget.
type part struct {
	host    host
	above   *part // of a tail: the partition whose gate it stands below
	tail    *part // what stands below its gate; nil: nothing does
	tp      TopicPartition
	topic   TopicID
	epoch   int32
	ctx     context.Context // its records' context
	cancel  context.CancelCauseFunc
	wake    func()
	restart func(next int64)
	lapsed  func() bool // see Assignment.Expired
	led     ledger.Ledger
	gate    gate
	stands  atomic.Uint32 // a status
	sets    []*lane.Set   // by stage
	state   []any         // by step.state: what batches, ordered steps and dead letters keep
	orders  []any         // by stage, a *reorder where it keeps order
	moving  atomic.Int64  // tasks with the workers; kept only where a plan has to know (run.counts)
	kept    atomic.Int64  // records whose results are held back for a transaction
	commit  any           // what its commits keep of it
	pending atomic.Int32  // changes that nobody has decided about yet
	full    atomic.Bool   // the source found no room and waits for wake
	edge    atomic.Int64  // see frontier
	edged   sync.Once     // edge was set
	rested  chan struct{} // room for one: something came to rest; for the one that drains

	// held while records go into their lanes, fed or resumed: these must not come between those;
	// taken before mu
	intake sync.Mutex

	// guards what follows; taken before the ledger's, never held across a call out
	mu        sync.Mutex
	next      int64 // fetch position
	end       int64 // high watermark, -1: unknown
	committed int64 // -1: none
	begin     int64 // where the assignment began; never changes
	settled   int64 // finished records that are committed, of this assignment
	ahead     ahead
	stop      chan struct{} // closed when waits must be given up: frozen, closing or gone
	halt      *Halt
	mends     mends
	byTx      bool // a transaction's failure is the halt
	sealed    *seal
	resume    resumption
	acks      []ack                           // who waits for a commit
	custom    map[any]any                     // StateOf
	onSettled map[*ledger.Ticket][]func(bool) // OnSettled
}

type resumption uint8

const (
	noResume  resumption = iota
	tryItself            // nobody has asked: see ResumeAfter
	tryAgain
	giveUp
)

// room is what may be fed: records up to the limit, bytes up to the partition's share. Once the
// source has found none, there is none until a good part of both is free, so that a full partition
// is not fetched record by record. A partition with nothing in flight always has room for one.
func (p *part) room() (records int, bytes int64) {
	if !p.status().feeds() {
		return 0, 0
	}
	held, pinned := p.led.Held()
	held += p.below() + int(p.kept.Load())
	limit, share := p.host.limits()
	ahead := p.roomAhead(held)
	if p.led.OutOfOrder && min(limit-held, ahead) < limit/4 {
		_, held = p.led.Count() // slabs are held as long as one of their records is
		ahead = p.roomAhead(held)
	}
	limit = min(limit, held+ahead)
	if held == 0 {
		return limit, max(share, 1)
	}
	records, bytes = limit-held, share-pinned
	least, leastBytes := 1, int64(1)
	if p.full.Load() {
		least, leastBytes = (limit+3)/4, (share+3)/4
	}
	if records < least || bytes < leastBytes {
		return 0, 0
	}
	return records, bytes
}

// feed makes records of a slab tasks of the first stage.
func (p *part) feed(s *ledger.Slab, next int64) {
	vs := s.Payload.(values)
	p.mu.Lock()
	p.next = max(p.next, next)
	waits := p.status().halted() != notHalted
	if waits {
		s.Defer() // the end of the halt puts it into its lanes
	}
	// under mu, as endHalt: no halt comes and ends in between, whose end would put them a second
	// time
	p.led.Append(s)
	p.mu.Unlock()
	if !waits {
		p.host.feed(p, vs)
	}
}

// below is how many records wait at the gate, or are in the tail.
func (p *part) below() int {
	if p.tail == nil {
		return 0
	}
	// first: what passes the gate is in the tail before it is no longer counted here
	waiting := int(p.gate.held.Load())
	held, _ := p.tail.led.Held()
	return waiting + held
}

// stopped is closed when waits must be given up.
func (p *part) stopped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop
}

// frontier is the last offset that is still started in a partition that closes. Where the state
// tells what has finished, that is none. Where only the watermark is stored, it is the last one
// that has started: what is queued before it is started too, since what has finished above a hole
// would be handled again.
func (p *part) frontier() int64 {
	if p.led.OutOfOrder {
		return -1
	}
	p.edged.Do(func() {
		working := p.host.started(p) // first: what a worker is through with is in the ledger
		p.edge.Store(max(working, p.led.Frontier()))
	})
	return p.edge.Load()
}

// giveUpFrom lets nothing at offset or behind it be begun any more in a partition that closes:
// there is a hole now that the drain does not fill.
func (p *part) giveUpFrom(offset int64) {
	if p.led.OutOfOrder {
		return
	}
	for edge := p.frontier(); edge >= offset && !p.edge.CompareAndSwap(edge, offset-1); edge = p.edge.Load() {
	}
}

// shut begins the end of the partition: nothing more comes in. A Feed that has not seen it is
// through when shut returns, so that what it brought is counted by whoever looks whether anything
// still moves.
func (p *part) shut() {
	p.rise(draining)
	p.intake.Lock()
	defer p.intake.Unlock()
	if p.led.OutOfOrder { // what is queued is dropped, which takes no time but needs a worker
		p.sets[0].Hasten()
	}
}

// letGo ends the assignment: from now on nothing of it counts. false: it was ended before.
func (p *part) letGo(cause error) bool {
	if !p.rise(released) {
		return false
	}
	p.cancel(cause)
	p.gate.clear()
	p.host.released(p, cause)
	p.host.discard(p)
	p.freeAcks()
	p.changed()
	return true
}

// calm reports whether nothing of the partition is held by anybody, nor about to be again because a
// halt is ending.
func (p *part) calm() bool {
	p.mu.Lock()
	ending := p.resume != noResume || p.status().halted() == resuming
	p.mu.Unlock()
	// in this order: what the end of a halt has put back is held before it is over
	return !ending && p.led.AtRest()
}

// unfinished lists what has begun, or could not be, up to limit, and how many there are.
func (p *part) unfinished(limit int) (metas []Meta, n int) {
	for s, i := range p.led.Unfinished {
		if n++; len(metas) < limit {
			if m, ok := s.Payload.(values).meta(int32(i)); ok {
				metas = append(metas, m)
			}
		}
	}
	return metas, n
}

// totals also tells since when the oldest unfinished record is here.
func (p *part) totals(commit *commitPlan) (t Totals, oldest time.Time) {
	p.mu.Lock()
	settled := p.settled // first: it may only grow
	p.mu.Unlock()
	t.Delivered, t.Bytes, t.Finished, oldest = p.led.Totals()
	if c := commit; c != nil && c.transact == nil && !c.above {
		t.Uncommitted = t.Finished - settled
	}
	return t, oldest
}
