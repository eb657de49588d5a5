package stream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// What a partition is, besides open. Flags are read in every worker before it begins something.
const (
	frozen    uint32 = 1 << iota // halted: nothing is begun, nothing is fed
	sealed                       // halted by the source: nothing new is fed
	refilling                    // resumed: work begins again, but nothing new is fed until the old is back in its lanes
	closing                      // revoked or draining: what has begun goes on, nothing behind it begins
	gone                         // let go or lost: nothing is begun, nothing counts
	expired                      // the drain is over: the records' contexts have ended, what their handlers return no longer counts
	aborted                      // the run is over: not even what was committed already is begun
	unwritten                    // nothing more of it goes into a transaction: one has halted it, or failed the pipeline; never without frozen or closing
)

// part is one assignment of one partition: its ledger, its lanes, its budget.
type part struct {
	run    *run
	tp     TopicPartition
	topic  TopicID
	epoch  int32
	ctx    context.Context // its records' context
	cancel context.CancelCauseFunc
	wake   func()
	again  func(next int64)
	lapsed func() bool // see Assignment.Expired
	led    ledger.Ledger
	gate   gate
	flags  atomic.Uint32
	sets   []*lane.Set   // by stage
	state  []any         // by step.state: what batches, ordered steps and dead letters keep
	orders []*reorder    // by stage, where it keeps order
	moving atomic.Int64  // tasks with the workers; kept only where a plan has to know (run.counts)
	after  atomic.Int64  // records below a commit that are not through
	kept   atomic.Int64  // records whose results are held back for a transaction
	turn   turn          // with its transactions
	full   atomic.Bool   // the source found no room and waits for wake
	edge   atomic.Int64  // see frontier
	edged  sync.Once     // edge was set
	rested chan struct{} // room for one: something came to rest; for the one that drains

	intake sync.Mutex // held while records go into their lanes, fed or resumed: these must not come between those; taken before mu

	mu        sync.Mutex    // guards what follows; taken before the ledger's, never held across a call out
	next      int64         // fetch position
	end       int64         // high watermark, -1: unknown
	committed int64         // -1: none
	begin     int64         // where the assignment began; never changes
	settled   int64         // records below committed, of this assignment
	stop      chan struct{} // closed when waits must be given up: frozen, closing or gone
	halt      *Halt
	byTx      bool // a transaction's failure is the halt
	sealed    *seal
	resume    resumption
	acks      []ack                           // who waits for a commit
	custom    map[any]any                     // StateOf
	onRest    map[*ledger.Ticket][]func(bool) // OnRest
}

type resumption uint8

const (
	noResume resumption = iota
	tryAgain
	giveUp
)

// room is what may be fed: records up to the limit, bytes up to the partition's share. Once the source has found none, there is none until a good part of
// both is free, so that a full partition is not fetched record by record. A partition with nothing in flight always has room for one.
func (p *part) room() (records int, bytes int64) {
	if p.flags.Load() != 0 {
		return 0, 0
	}
	held, pinned := p.led.Held()
	held += int(p.after.Load() + p.gate.held.Load() + p.kept.Load())
	limit, share := p.run.opts.records, p.run.share()
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

// wakeSource tells the source that there is room again, if it found none.
func (p *part) wakeSource() {
	if !p.full.Load() {
		return
	}
	if n, _ := p.room(); n > 0 && p.full.CompareAndSwap(true, false) && p.wake != nil {
		p.wake()
	}
}

// feed makes records of a slab tasks of the first stage.
func (p *part) feed(s *ledger.Slab, next int64) {
	vs, first := s.Payload.(values), p.run.stages[0]
	p.mu.Lock()
	p.next = max(p.next, next)
	p.mu.Unlock()
	p.led.Append(s)
	first.putAll(p, vs.all())
}

// atRest is called when the last ticket of a slab came to rest.
func (p *part) atRest() {
	p.moved()
	p.tryResume()
	p.lookAgain()
}

// lookAgain has the one that drains look again.
func (p *part) lookAgain() {
	select {
	case p.rested <- struct{}{}:
	default:
	}
}

// moved is called when the watermark may have moved.
func (p *part) moved() {
	p.relieve()
	p.wakeSource()
	p.run.committer.look()
}

// relieve has committed what a commit with work below it keeps back, where that takes so much room that no count may ever be reached. It is called when
// such an element comes, and again when records have come to rest: an element may come while others hold its record.
func (p *part) relieve() {
	if held := p.gate.held.Load(); held > 0 && held >= int64(p.run.opts.records+1)/2 {
		p.run.committer.urge()
	}
}

func (p *part) afterDone() {
	left := p.after.Add(-1)
	p.wakeSource()
	if left == 0 {
		p.lookAgain()
	}
}

// lostAfter notes a record that was committed and could not be finished.
func (p *part) lostAfter(r *record) {
	p.run.noteLost(r.meta())
}

// stopped is closed when waits must be given up.
func (p *part) stopped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop
}

// raise sets flags and ends the waits that they end. It returns the flags that were set before.
func (p *part) raise(f uint32) (old uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.flags.Or(f)
	if old&f == f {
		return old
	}
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	return old
}

// frontier is the last offset that is still begun in a partition that closes: the last one that has begun. What is queued before that is begun
// too, since what is finished behind a hole cannot be committed and would be done twice.
func (p *part) frontier() int64 {
	p.edged.Do(func() { p.edge.Store(p.led.Frontier()) })
	return p.edge.Load()
}

// giveUpFrom lets nothing at offset or behind it be begun any more in a partition that closes: there is a hole now that the drain does not fill.
func (p *part) giveUpFrom(offset int64) {
	for edge := p.frontier(); edge >= offset && !p.edge.CompareAndSwap(edge, offset-1); edge = p.edge.Load() {
	}
}

// shut begins the end of the partition: nothing more comes in. A Feed that has not seen it is through when shut returns, so that what it brought is
// counted by whoever looks whether anything still moves.
func (p *part) shut() {
	p.raise(closing)
	p.intake.Lock()
	defer p.intake.Unlock()
}

// letGo ends the assignment: from now on nothing of it counts. false: it was ended before.
func (p *part) letGo(cause error) bool {
	if p.raise(gone)&gone != 0 {
		return false
	}
	p.cancel(cause)
	p.gate.clear()
	p.run.tx.letGo(p, cause)
	for _, st := range p.run.batches {
		st.batchOf(p).discard(p)
	}
	p.freeAcks()
	p.lookAgain()
	return true
}

// lapse lets the assignment go if it may be another worker's by the source's own clock.
func (p *part) lapse() {
	if p.lapsed != nil && p.lapsed() {
		p.run.lose(errLapsed, []*part{p})
	}
}

var errLapsed = errors.New("this process stood still, and the partition may be another worker's by now")

// calm reports whether nothing of the partition is held by anybody, nor about to be again because a halt is ending.
func (p *part) calm() bool {
	p.mu.Lock()
	ending := p.resume != noResume || p.flags.Load()&refilling != 0
	p.mu.Unlock()
	return !ending && p.led.AtRest() // in this order: what the end of a halt has put back is held before it is over
}

// quiet reports whether nothing of the partition is held by anybody, and nothing below a commit is left.
func (p *part) quiet() bool { return p.led.AtRest() && p.after.Load() == 0 }

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
