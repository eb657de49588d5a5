package stream

import (
	"sync"

	"github.com/laneway-go/laneway/internal/window"
)

// results is what CommitWith holds back of a partition, of a type that the run has forgotten.
type results interface {
	// end is how far a transaction may reach that begins at from: mark, or less where a result
	// stands for records on both sides of it.
	end(from, mark int64) int64
	// due reports whether a result of the element's last record waits for a transaction that can
	// come: it would reach over it.
	due(r *record, mark int64) bool
	// prefix is the content of the next transaction; its next is from where there is none.
	prefix(p *part, from, mark int64, size int) *prefix
	// drop lets go of what was written: the results of records below an offset. It returns how many
	// records they were.
	drop(below int64) int64
	// forget lets go of the results of records that will be worked on again, or are given up, and
	// returns them. split: one of them stands for others too; alone: such a one stays.
	forget(offsets map[int64]bool, alone bool) (forgotten []*record, split bool)
}

// prefix is the part that a partition has in a transaction.
type prefix struct {
	part       *part
	from, next int64
	records    int       // with results
	recs       []*record // of outs, one each
	outs       outs
	attempt    int // which one the transaction is
}

// outs are the results of a prefix, []Out[T].
type outs interface {
	value(i int) any
	slice(lo, hi int) outs
}

type outsOf[T any] []Out[T]

func (o outsOf[T]) value(i int) any       { return o[i].Value }
func (o outsOf[T]) slice(lo, hi int) outs { return o[lo:hi] }

// resultsOf keeps results of a type, in the order of their records. Those of one record, and so
// those of one lane, stay in the order in which they came.
type resultsOf[T any] struct {
	mu   sync.Mutex // guards what follows; a leaf
	kept window.Window[result[T]]
	wide int // how many of them have several records
}

// result is an element that waits for its transaction: of one record, or of the members of a batch,
// which lie in [lo, hi].
type result[T any] struct {
	r      *record
	lo, hi int64
	n      int64 // how many records
	v      T
}

// linkResults ends a chain: what comes is held back, and its record finished as far as this element
// goes. In this order, so that no watermark has passed a record whose results are not here.
func linkResults[T any](st *step) any {
	return push[T](func(w *worker, r *record, v *T) {
		if r.dropped() {
			r.abandon()
			return
		}
		n := r.part.state[st.state].(*resultsOf[T]).keep(r, *v)
		r.part.kept.Add(n)
		st.run.finish(w, r)
	})
}

// keep holds a result back and returns how many records it stands for.
func (rs *resultsOf[T]) keep(r *record, v T) (records int64) {
	first, last := r.ends()
	n := r.size()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if n > 1 {
		rs.wide++
	}
	rs.kept.Put(first.seq(), result[T]{r: r, lo: first.offset(), hi: last.offset(), n: n, v: v})
	return n
}

func (rs *resultsOf[T]) end(from, mark int64) int64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.whole(from, mark)
}

func (rs *resultsOf[T]) due(r *record, mark int64) bool {
	_, end := r.ends()
	last := end.offset()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.whole(-1, mark) <= last {
		return false
	}
	if rs.wide == 0 {
		return rs.kept.Has(end.seq())
	}
	for kept := range rs.kept.All {
		if kept.lo <= last && last <= kept.hi {
			return true
		}
	}
	return false
}

// whole lowers mark until no result stands for records on both sides of it. The caller holds mu.
func (rs *resultsOf[T]) whole(from, mark int64) int64 {
	for moved := rs.wide > 0; moved && mark > from; {
		moved = false
		for r := range rs.kept.All {
			if r.lo < mark && mark <= r.hi {
				mark, moved = r.lo, true
			}
		}
	}
	return max(from, mark)
}

func (rs *resultsOf[T]) prefix(p *part, from, mark int64, size int) *prefix {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	pre := &prefix{part: p, from: from, next: rs.whole(from, mark)}
	if pre.next == from {
		return pre
	}
	var in []*result[T]
	hi := from - 1
	counted := map[int64]bool{} // where some have several
	for r := range rs.kept.All {
		if r.lo >= pre.next {
			break // whole: none before it ends behind next
		}
		// nothing before it stands for its record, or for one behind it: a transaction may end here
		if r.lo > hi && pre.records >= size {
			pre.next = r.lo
			break
		}
		if rs.wide == 0 {
			if r.lo > hi {
				pre.records++
			}
		} else {
			r.r.leaves(func(l *record) bool { counted[l.offset()] = true; return true })
			pre.records = len(counted)
		}
		hi = max(hi, r.hi)
		in = append(in, r)
	}
	outs := make(outsOf[T], len(in))
	pre.recs = make([]*record, len(in))
	for k, r := range in {
		outs[k], pre.recs[k] = Out[T]{r.v, r.r.meta()}, r.r
	}
	pre.outs = outs
	return pre
}

func (rs *resultsOf[T]) drop(below int64) (records int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for { // no prefix ends inside a result
		r, ok := rs.kept.First()
		if !ok || r.hi >= below {
			break
		}
		rs.kept.Pop()
		records += r.n
		rs.forgotten(r.n)
	}
	return records
}

// forgotten notes that a result of so many records goes. The caller holds mu.
func (rs *resultsOf[T]) forgotten(records int64) {
	if records > 1 {
		rs.wide--
	}
}

func (rs *resultsOf[T]) forget(offsets map[int64]bool, alone bool) (forgotten []*record, split bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.kept.DeleteFunc(func(r result[T]) bool {
		some, all := false, true
		r.r.leaves(func(l *record) bool {
			in := offsets[l.offset()]
			some, all = some || in, all && in
			return true
		})
		if some = some && (all || !alone); some {
			forgotten, split = append(forgotten, r.r), split || !all
			rs.forgotten(r.n)
		}
		return some
	})
	return forgotten, split
}
