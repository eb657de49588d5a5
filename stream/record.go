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

// record is one element's lineage and ticket, and the context its handlers get: none is ever built
// per element. It is one of
//
//   - a source record: slab and i say where it lies and which ticket is its;
//   - a batch: joint has its members, whose holds it took over.
//
// A record belongs to whoever has a hold on it. Holds are given back by done or abandon, each
// exactly once.
type record struct {
	// at the first boundary. Index is its ticket's; Marks are the observers that hear of it, a bit
	// each, written when it is started
	lane.Task
	*origin
}

// origin is what the records of a slab have in common.
type origin struct {
	part  *part
	slab  *ledger.Slab
	joint *joint
}

func jointRecord(p *part, j *joint) *record { return &record{origin: &origin{part: p, joint: j}} }

// joint is the common fate of the members of a batch.
type joint struct {
	members   []*record
	holds     atomic.Int32
	abandoned atomic.Bool
	subset    func(batch any, keep []int) (any, bool) // the batch of these members alone
	// members are of several partitions: it goes on for as long as one of them does
	mixed bool
}

// values is what a slab carries: records of a type that the run has forgotten.
type values interface {
	meta(i int32) (Meta, bool)
	key(i int32) []byte // for holders only
	hash(i int) uint64  // of the key
	last() int64        // offset
	value(i int32) any
	record(i int) *record
	all() []record
	forget()
	context(i int32) context.Context // what observers have made of the record's; nil: nothing
	setContext(i int32, c *context.Context)
	dropContext(i int32, c *context.Context)
}

// valuesOf is a slab's records. When all of them are finished the slab is forgotten and the values'
// memory is used again; the records themselves, which are contexts that a handler may have kept,
// are not: one that is asked later finds nothing here, never another record.
type valuesOf[T any] struct {
	orig    origin
	lineage Lineage
	vals    []T
	recs    []record
	shelf   *sync.Pool // of *[bufferSize]T
	// looks from outside that are under way
	readers atomic.Int32
	// forgotten; set before readers is read, which a look raises before it reads gone
	gone atomic.Bool
	// see context; nil as long as there is none
	made atomic.Pointer[[]atomic.Pointer[context.Context]]
}

// A look from outside keeps the values from being forgotten meanwhile, and finds nothing if they
// are.
func (vs *valuesOf[T]) meta(i int32) (m Meta, ok bool) {
	vs.readers.Add(1)
	defer vs.readers.Add(-1)
	if vs.gone.Load() {
		return m, false
	}
	return vs.lineage.Meta(int(i)), true
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

// dropContext forgets c, unless the record has another by now.
func (vs *valuesOf[T]) dropContext(i int32, c *context.Context) {
	if made := vs.made.Load(); made != nil {
		(*made)[i].CompareAndSwap(c, nil)
	}
}

// forget gives the values' memory back, unless somebody is looking: a record that is kept by a
// context, or as the last of an idle lane, keeps it no longer.
func (vs *valuesOf[T]) forget() {
	vs.gone.Store(true)
	vs.made.Store(nil)
	if vs.readers.Load() != 0 {
		return
	}
	if cap(vs.vals) == bufferSize {
		vals := vs.vals[:bufferSize]
		clear(vals) // payloads live no longer than their records
		vs.shelf.Put((*[bufferSize]T)(vals))
	}
	vs.vals, vs.lineage = nil, nil
}

// A source record is its own carrier at the first boundary; its lane is its group.
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

// done gives one hold back: nothing more is to be done for the element.
func (r *record) done() {
	if r.joint == nil {
		r.slab.Done(r.Index)
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

// abandon gives one hold back and leaves the record unfinished: it stays uncommitted.
func (r *record) abandon() {
	if r.joint == nil {
		r.slab.Abandon(r.Index)
		return
	}
	r.joint.abandoned.Store(true)
	r.done()
}

// dropped reports whether what is left to do for the record must not be begun: its partition is
// frozen or gone.
func (r *record) dropped() bool {
	if r.joint != nil && r.joint.mixed {
		return r.leaves((*record).dropped) // all of them are
	}
	return !r.part.status().begins()
}

// counts reports whether what comes of the record still counts: its context has not ended.
func (r *record) counts() bool {
	return r.part.status().counts() || r.joint != nil && r.joint.mixed && r.Err() == nil && !r.dropped()
}

// stopped is closed when waits for the record must be given up.
func (r *record) stopped() <-chan struct{} {
	if r.joint != nil && r.joint.mixed {
		return r.part.host.stopped()
	}
	return r.part.stopped()
}

// stopping reports whether a wait for the record must not be followed by another attempt.
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

// leaves yields the source records of an element, oldest first.
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

// meta is the lineage of the element's first record; only its place, where the record is done with.
func (r *record) meta() Meta {
	l := r.first()
	m, ok := l.slab.Payload.(values).meta(l.Index)
	if !ok {
		m = Meta{Topic: l.part.tp.Topic, Partition: l.part.tp.Partition, Offset: l.offset()}
	}
	return m
}

func (r *record) first() *record {
	for r.joint != nil {
		r = r.joint.members[0]
	}
	return r
}

// ends is the records of the element that were delivered first and last.
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

// seq is the place of a source record in the order of delivery.
func (r *record) seq() int64 { return r.slab.Seq(int(r.Index)) }

func (r *record) offset() int64 { return r.slab.Offset(int(r.Index)) }

// The context of a record is its partition's.
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

// plain is the context of a record before an observer has made another of it.
type plain struct{ *record }

func (r plain) Value(key any) any {
	if key == (lineageKey{}) {
		return r.record
	}
	return r.base().Value(key)
}

func (r *record) String() string { return "context of " + r.meta().String() }

// size is how many source records the element stands for.
func (r *record) size() (n int64) {
	r.leaves(func(*record) bool { n++; return true })
	return n
}

// bufferSize is how many values a buffer for many has room for.
const bufferSize = 256

var keySeed = maphash.MakeSeed()

// keyHash: two keys that share a hash share a lane, which costs concurrency, never order.
func keyHash(key []byte) uint64 { return maphash.Bytes(keySeed, key) }
