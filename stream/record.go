package stream

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// record is one element's lineage and ticket. It is also the context that handlers get, so that no
// context is allocated per element. It is one of
//
//   - a source record: slab and Index name its ticket;
//   - a batch: joint has its members and took over their holds.
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
	part  *part
	slab  *ledger.Slab
	joint *joint
}

func jointRecord(p *part, j *joint) *record { return &record{origin: &origin{part: p, joint: j}} }

// joint is the members of a batch, which finish or are abandoned together.
type joint struct {
	members   []*record
	holds     atomic.Int32
	abandoned atomic.Bool
	subset    func(batch any, keep []int) (any, bool) // returns the batch of these members only
	// members belong to several partitions: the batch is processed as long as one of them is
	mixed bool
}

// values is the payload of a slab: its records, without their type.
type values interface {
	meta(i int32) (Meta, bool)
	key(i int32) []byte // for holders only
	hash(i int) uint64  // of the key
	last() int64        // offset
	value(i int32) any
	record(i int) *record
	all() []record
	forget()
	context(i int32) context.Context // the context that start hooks made; nil if none
	setContext(i int32, c *context.Context)
	dropContext(i int32, c *context.Context)
}

// valuesOf is the records of a slab. Once all are finished, forget reuses the memory of the values.
// The records themselves are not reused, since a handler may have kept one as its context. A later
// question to such a record finds no value, and never that of another record.
type valuesOf[T any] struct {
	orig    origin
	lineage Lineage
	vals    []T
	recs    []record
	pool    *sync.Pool // of *[bufferSize]T
	// meta and value calls in progress
	readers atomic.Int32
	// Forgotten. forget sets gone before it reads readers. A reader raises readers before it reads
	// gone. So at least one of the two sees the other.
	gone atomic.Bool
	// see context; nil until one is set
	made atomic.Pointer[[]atomic.Pointer[context.Context]]
}

// meta needs no hold. It keeps the memory from being reused while it reads, and returns false if
// the values were forgotten. So does value.
func (vs *valuesOf[T]) meta(i int32) (m Meta, ok bool) {
	vs.readers.Add(1)
	defer vs.readers.Add(-1)
	if vs.gone.Load() {
		return m, false
	}
	m = vs.lineage.Meta(int(i))
	m.Source = vs.orig.part.tp.Source
	return m, true
}

func (vs *valuesOf[T]) value(i int32) any {
	vs.readers.Add(1)
	defer vs.readers.Add(-1)
	if vs.gone.Load() {
		return nil
	}
	return vs.vals[i]
}

func (vs *valuesOf[T]) key(i int32) []byte   { return vs.lineage.Key(int(i)) }
func (vs *valuesOf[T]) hash(i int) uint64    { return keyHash(vs.lineage.Key(i)) }
func (vs *valuesOf[T]) last() int64          { return vs.recs[len(vs.recs)-1].offset() }
func (vs *valuesOf[T]) record(i int) *record { return &vs.recs[i] }
func (vs *valuesOf[T]) all() []record        { return vs.recs }

func (vs *valuesOf[T]) context(i int32) context.Context {
	made := vs.made.Load()
	if made == nil {
		return nil
	}
	if c := (*made)[i].Load(); c != nil {
		return *c
	}
	return nil
}

func (vs *valuesOf[T]) setContext(i int32, c *context.Context) {
	made := vs.made.Load()
	for made == nil {
		fresh := make([]atomic.Pointer[context.Context], len(vs.recs))
		vs.made.CompareAndSwap(nil, &fresh)
		made = vs.made.Load()
	}
	(*made)[i].Store(c)
}

// dropContext removes c unless it was replaced.
func (vs *valuesOf[T]) dropContext(i int32, c *context.Context) {
	if made := vs.made.Load(); made != nil {
		(*made)[i].CompareAndSwap(c, nil)
	}
}

// forget returns the memory of the values to the pool unless a reader is using it. A record that
// is kept, by a handler or as the last task of an idle lane, keeps no payload alive.
func (vs *valuesOf[T]) forget() {
	vs.gone.Store(true)
	vs.made.Store(nil)
	if vs.readers.Load() != 0 {
		return
	}
	if cap(vs.vals) == bufferSize {
		vals := vs.vals[:bufferSize]
		clear(vals) // the pool must not keep payloads alive
		vs.pool.Put((*[bufferSize]T)(vals))
	}
	vs.vals, vs.lineage = nil, nil
}

// At the first boundary a record is its own carrier. Its group is its lane.
func (r *record) record() *record { return r }
func (r *record) groupID() uint64 { return 0 }
func (r *record) owner() *part    { return r.part }

func (r *record) retain() {
	if r.joint != nil {
		r.joint.holds.Add(1)
		return
	}
	r.slab.Tickets[r.Index].Retain()
}

// fork takes a hold for another element of the same records. A batch is joined anew, so that either
// one can be split, and finishes by itself.
func (r *record) fork() *record {
	if r.joint == nil {
		r.retain()
		return r
	}
	for _, m := range r.joint.members {
		m.retain()
	}
	j := &joint{members: r.joint.members, subset: r.joint.subset, mixed: r.joint.mixed}
	j.holds.Store(1)
	return jointRecord(r.part, j)
}

// done gives one hold back: the work that held it has finished.
func (r *record) done() {
	if r.joint == nil {
		r.slab.Done(r.Index)
		r.part.unparkSoon()
		return
	}
	if r.joint.holds.Add(-1) != 0 {
		return
	}
	for _, m := range r.joint.members {
		if r.joint.abandoned.Load() {
			m.abandon()
		} else {
			m.done()
		}
	}
}

// abandon gives one hold back and leaves the record unfinished, and so uncommitted.
func (r *record) abandon() {
	if r.joint == nil {
		r.slab.Abandon(r.Index)
		r.part.unparkSoon()
		return
	}
	r.joint.abandoned.Store(true)
	r.done()
}

// dropped reports whether no further work may start for the record, since it is parked, or its
// partition is halted or released.
func (r *record) dropped() bool {
	if r.joint != nil && r.joint.mixed {
		return r.leaves((*record).dropped) // only if all are
	}
	s := r.part.status()
	return !s.begins() || s&someParked != 0 && r.leaves((*record).parked)
}

// counts reports whether results of the record still count, as long as its context has not ended.
func (r *record) counts() bool {
	return r.part.status().counts() || r.joint != nil && r.joint.mixed && r.Err() == nil && !r.dropped()
}

// stopped returns a channel that is closed when waits for the record must end.
func (r *record) stopped() <-chan struct{} {
	if r.joint != nil && r.joint.mixed {
		return r.part.host.stopped()
	}
	return r.part.stopped()
}

// stopping reports whether no further attempt may follow a wait for the record.
func (r *record) stopping() bool {
	if r.joint != nil && r.joint.mixed {
		select {
		case <-r.part.host.stopped():
			return true
		default:
			return r.dropped()
		}
	}
	return !r.part.status().waits()
}

// leaves yields the source records of an element, oldest first. It returns false if yield did.
func (r *record) leaves(yield func(*record) bool) bool {
	if r.joint == nil {
		return yield(r)
	}
	for _, m := range r.joint.members {
		if !m.leaves(yield) {
			return false
		}
	}
	return true
}

func (r *record) metas(yield func(Meta) bool) {
	r.leaves(func(l *record) bool {
		m, ok := l.slab.Payload.(values).meta(l.Index)
		return !ok || yield(m)
	})
}

func (r *record) firstMeta() (Meta, bool) {
	f := r.first()
	return f.slab.Payload.(values).meta(f.Index)
}

func (r *record) contexts(yield func(context.Context) bool) {
	r.leaves(func(l *record) bool { return yield(l) })
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
	for r.joint != nil {
		r = r.joint.members[0]
	}
	return r
}

// ends returns the first and the last record of the element in the order of delivery.
func (r *record) ends() (lo, hi *record) {
	if r.joint == nil {
		return r, r
	}
	r.leaves(func(l *record) bool {
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
	if r.joint != nil && r.joint.mixed {
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
	if r.joint == nil && r.part.host.greets() {
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
	r.leaves(func(*record) bool { n++; return true })
	return n
}

// bufferSize is the capacity of a pooled buffer of values.
const bufferSize = 256

var keySeed = maphash.MakeSeed()

// keyHash selects a key's lane. Two keys with the same hash share a lane, which costs concurrency
// but keeps their order.
func keyHash(key []byte) uint64 { return maphash.Bytes(keySeed, key) }
