package stream

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// record is one element's lineage and ticket. It is also the context that handlers get, so that no
// context is allocated per element. It is one of
//
//   - a source record: slab and Index name its ticket;
//   - a batch: joined has its members and took over their holds.
//
// A holder of the ticket may use the record. Each hold is given back exactly once, by done or
// abandon.
type record struct {
	// the task of the first boundary. Index is the ticket's. Marks has a bit for each observer that
	// hears of the record, and is written when the record is started.
	lane.Task
	*origin
}

// origin is shared by the records of a slab.
type origin struct {
	part   *part
	slab   *ledger.Slab
	joined *joined
}

func joinedRecord(p *part, j *joined) *record { return &record{origin: &origin{part: p, joined: j}} }

// joined lists the records that were joined into one element, such as a batch. They finish, or are
// abandoned, together.
type joined struct {
	members   []*record
	holds     atomic.Int32
	abandoned atomic.Bool
	subset    func(batch any, keep []int) (any, bool) // returns the batch of these members only
	// members belong to several partitions: the batch is processed as long as one of them is
	mixed bool
}

// At the first boundary a record is its own carrier. Its group is its lane.
func (r *record) record() *record { return r }
func (r *record) groupID() uint64 { return 0 }
func (r *record) owner() *part    { return r.part }

func (r *record) retain() {
	if r.joined != nil {
		r.joined.holds.Add(1)
		return
	}
	r.slab.Tickets[r.Index].Retain()
}

// fork takes a hold for another element of the same records. A batch is joined again, so that
// either one can be split, and finishes by itself.
func (r *record) fork() *record {
	if r.joined == nil {
		r.retain()
		return r
	}
	for _, m := range r.joined.members {
		m.retain()
	}
	j := &joined{members: r.joined.members, subset: r.joined.subset, mixed: r.joined.mixed}
	j.holds.Store(1)
	return joinedRecord(r.part, j)
}

// done gives one hold back: the work that held it has finished.
func (r *record) done() {
	if r.joined == nil {
		r.slab.Done(r.Index)
		r.part.unparkSoon()
		return
	}
	if r.joined.holds.Add(-1) != 0 {
		return
	}
	for _, m := range r.joined.members {
		if r.joined.abandoned.Load() {
			m.abandon()
		} else {
			m.done()
		}
	}
}

// abandon gives one hold back and leaves the record unfinished, and so uncommitted.
func (r *record) abandon() {
	if r.joined == nil {
		r.slab.Abandon(r.Index)
		r.part.unparkSoon()
		return
	}
	r.joined.abandoned.Store(true)
	r.done()
}

// dropped reports whether no further work may start for the record, since it is parked, or its
// partition is halted or released.
func (r *record) dropped() bool {
	if r.joined != nil && r.joined.mixed {
		return r.sources((*record).dropped) // only if all are
	}
	s := r.part.status()
	return !s.begins() || s&someParked != 0 && r.sources((*record).parked)
}

// counts reports whether results of the record still count, as long as its context has not ended.
func (r *record) counts() bool {
	return r.part.status().counts() || r.joined != nil && r.joined.mixed && r.Err() == nil && !r.dropped()
}

// stopped returns a channel that is closed when waits for the record must end.
func (r *record) stopped() <-chan struct{} {
	if r.joined != nil && r.joined.mixed {
		return r.part.host.stopped()
	}
	return r.part.stopped()
}

// stopping reports whether no further attempt may follow a wait for the record.
func (r *record) stopping() bool {
	if r.joined != nil && r.joined.mixed {
		select {
		case <-r.part.host.stopped():
			return true
		default:
			return r.dropped()
		}
	}
	return !r.part.status().waits()
}

// sources yields the source records of an element, oldest first. It returns false if yield did.
func (r *record) sources(yield func(*record) bool) bool {
	if r.joined == nil {
		return yield(r)
	}
	for _, m := range r.joined.members {
		if !m.sources(yield) {
			return false
		}
	}
	return true
}

func (r *record) metas(yield func(Meta) bool) {
	r.sources(func(l *record) bool {
		m, ok := l.slab.Payload.(values).meta(l.Index)
		return !ok || yield(m)
	})
}

func (r *record) firstMeta() (Meta, bool) {
	f := r.first()
	return f.slab.Payload.(values).meta(f.Index)
}

func (r *record) contexts(yield func(context.Context) bool) {
	r.sources(func(l *record) bool { return yield(l) })
}

// meta returns the lineage of the element's first record. After its values were forgotten, that is
// only topic, partition and offset.
func (r *record) meta() Meta {
	l := r.first()
	m, ok := l.slab.Payload.(values).meta(l.Index)
	if !ok {
		m = l.part.tp.at(l.offset())
	}
	return m
}

func (r *record) first() *record {
	for r.joined != nil {
		r = r.joined.members[0]
	}
	return r
}

// ends returns the first and the last record of the element in the order of delivery.
func (r *record) ends() (lo, hi *record) {
	if r.joined == nil {
		return r, r
	}
	r.sources(func(l *record) bool {
		if lo == nil || l.seq() < lo.seq() {
			lo = l
		}
		if hi == nil || l.seq() > hi.seq() {
			hi = l
		}
		return true
	})
	return lo, hi
}

func (r *record) key() []byte {
	l := r.first()
	return l.slab.Payload.(values).key(l.Index)
}

// seq returns the position of a source record in the order of delivery.
func (r *record) seq() int64 { return r.slab.Seq(int(r.Index)) }

func (r *record) offset() int64 { return r.slab.Offset(int(r.Index)) }

// base returns the context of the record's partition, which the methods of context.Context below
// forward to.
func (r *record) base() context.Context {
	if r.joined != nil && r.joined.mixed {
		return r.part.host.handlers()
	}
	return r.part.ctx
}

func (r *record) Deadline() (time.Time, bool) { return r.base().Deadline() }
func (r *record) Done() <-chan struct{}       { return r.base().Done() }
func (r *record) Err() error                  { return r.base().Err() }

func (r *record) Value(key any) any {
	if key == (lineageKey{}) {
		return r
	}
	if r.joined == nil && r.part.host.hasStartHook() {
		if c := r.slab.Payload.(values).context(r.Index); c != nil {
			return c.Value(key)
		}
	}
	return r.base().Value(key)
}

// plain is the context of a record without the one that start hooks made.
type plain struct{ *record }

func (r plain) Value(key any) any {
	if key == (lineageKey{}) {
		return r.record
	}
	return r.base().Value(key)
}

func (r *record) String() string { return "context of " + r.meta().String() }

// size returns how many source records the element has.
func (r *record) size() (n int64) {
	r.sources(func(*record) bool { n++; return true })
	return n
}

var keySeed = maphash.MakeSeed()

// keyHash selects a key's lane. Two keys with the same hash share a lane, which costs concurrency
// but keeps their order.
func keyHash(key []byte) uint64 {
	h := maphash.Bytes(keySeed, key)
	if len(key) == 0 && key != nil {
		h++ // an empty key differs from none
	}
	return h
}
