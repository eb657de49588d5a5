package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// A tail is the part of one assignment below CommitBefore. It is a partition of its own whose
// ledger is never committed. Elements that pass the ack barrier become new records there. A tail
// outlives its assignment, since the broker does not redeliver committed records. It ends with the
// run.

// tailOf is a slab of a tail. Its records have the lineage of the records above the ack barrier.
type tailOf struct {
	orig origin
	of   []*record
	recs []record
}

func (to *tailOf) origin(i int32) (values, int32) {
	r := to.of[i]
	return r.slab.Payload.(values), r.Index
}

func (to *tailOf) meta(i int32) (Meta, bool)  { vs, k := to.origin(i); return vs.meta(k) }
func (to *tailOf) key(i int32) []byte         { vs, k := to.origin(i); return vs.key(k) }
func (to *tailOf) hash(i int) uint64          { return keyHash(to.key(int32(i))) }
func (to *tailOf) value(i int32) any          { vs, k := to.origin(i); return vs.value(k) }
func (to *tailOf) last() int64                { return to.recs[len(to.recs)-1].offset() }
func (to *tailOf) record(i int) *record       { return &to.recs[i] }
func (to *tailOf) all() []record              { return to.recs }
func (to *tailOf) forget()                    {}
func (to *tailOf) copyOut([]int) *ledger.Slab { return nil }

func (to *tailOf) context(i int32) context.Context        { vs, k := to.origin(i); return vs.context(k) }
func (to *tailOf) setContext(i int32, c *context.Context) { vs, k := to.origin(i); vs.setContext(k, c) }
func (to *tailOf) dropContext(i int32, c *context.Context) {
	vs, k := to.origin(i)
	vs.dropContext(k, c)
}

// follow makes records of the tail for elements that passed the ack barrier, and puts them into
// their lanes.
func (t *part) follow(passed []waiter) {
	n := 0
	for _, w := range passed {
		n += w.size
	}
	vs := &tailOf{of: make([]*record, 0, n), recs: make([]record, n)}
	slab := ledger.NewSlab(n, 0, 0, vs)
	vs.orig = origin{part: t, slab: slab}
	adopt := func(r *record) *record {
		i := len(vs.of)
		vs.of = append(vs.of, r)
		slab.SetOffset(i, r.offset())
		rec := &vs.recs[i]
		rec.origin, rec.Index, rec.Marks = &vs.orig, int32(i), r.Marks
		return rec
	}
	below := make([]*record, len(passed))
	for k, w := range passed {
		r := w.elem.record()
		if r.joined == nil {
			below[k] = adopt(r)
			continue
		}
		j := &joined{subset: r.joined.subset}
		r.sources(func(l *record) bool {
			j.members = append(j.members, adopt(l))
			return true
		})
		j.holds.Store(1)
		below[k] = joinedRecord(t, j)
	}
	t.led.Append(slab)
	for k, w := range passed {
		t.host.pass(w.to, below[k], w.elem.groupID(), w.elem.follow(below[k]))
	}
}

// carrier is the record, element or flush that a task in a lane carries.
type carrier interface {
	record() *record
	groupID() uint64
	owner() *part
}

// seated is an element that can move to another record.
type seated interface {
	carrier
	follow(r *record) *lane.Task
	keep(offsets map[int64]bool) bool
}

// tailsOf returns the tails of the partitions.
func tailsOf(ps []*part) (tails []*part) {
	for _, p := range ps {
		if p.tail != nil {
			tails = append(tails, p.tail)
		}
	}
	return tails
}

// finished reports whether no ticket of a tail is held.
func (p *part) finished() bool { return p.led.AtRest() }

// emptied reports whether every record of a tail is finished.
func (p *part) emptied() bool {
	records, _ := p.led.Held()
	return records == 0
}
