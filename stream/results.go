package stream

import (
	"sync"

	"github.com/laneway-go/laneway/internal/window"
)

// results is the results that CommitWith holds back for a partition, without their type.
type results interface {
	// end returns the end of a transaction that starts at from. That is mark, or less if a result
	// has records on both sides of mark.
	end(from, mark int64) int64
	// due reports whether a result of the element's last record is held back and a transaction up
	// to mark would include it.
	due(r *record, mark int64) bool
	// prefix returns the content of the next transaction. If there is none, its next is from.
	prefix(p *part, from, mark int64, size int) *prefix
	// drop removes the written results, which are those of records below an offset. It returns how
	// many records they had.
	drop(below int64) int64
	// forget removes and returns the results of records that are reprocessed or skipped. split
	// reports whether one of them has other records too. With alone, such a result stays.
	forget(offsets map[int64]bool, alone bool) (forgotten []*record, split bool)
}

// prefix is the share of one partition in a transaction.
type prefix struct {
	part         *part
	from, next   int64
	records      int       // number of records with results
	recs         []*record // recs[i] is the record of outs[i]
	outs         outs
	attempt      int  // number of the attempt
	haltsChanged bool // see txnState
}

// outs is the results of a prefix, an []Out[T].
type outs interface {
	value(i int) any
	slice(lo, hi int) outs
}

type outsOf[T any] []Out[T]

func (o outsOf[T]) value(i int) any       { return o[i].Value }
func (o outsOf[T]) slice(lo, hi int) outs { return o[lo:hi] }

// resultsOf holds results in the order of their records. The results of one record stay in the
// order in which they arrived, and so do those of one lane.
type resultsOf[T any] struct {
	mu   sync.Mutex // guards the fields below; a leaf
	kept window.Window[result[T]]
	wide int // number of results with several records
}

// result is an element that waits for its transaction. It has one record, or the members of a
// batch, whose offsets are in [lo, hi].
type result[T any] struct {
	r      *record
	lo, hi int64
	n      int64 // number of records
	v      T
}

// linkResults ends a chain: it holds a result back and then gives the record's hold back. The order
// matters: the watermark must not pass a record whose results are not here.
func linkResults[T any](st *step) any {
	return push[T](func(w *worker, r *record, v *T) {
		if r.dropped() {
			r.abandon()
			return
		}
		n := r.part.state[st.state].(*resultsOf[T]).keep(r, v)
		r.part.kept.Add(n)
		st.exec.finish(w, r)
	})
}

// keep holds a result back and returns how many records it has.
func (rs *resultsOf[T]) keep(r *record, v *T) (records int64) {
	first, last := r.ends()
	n := r.size()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if n > 1 {
		rs.wide++
	}
	kept := rs.kept.Add(first.seq())
	kept.r, kept.lo, kept.hi, kept.n, kept.v = r, first.offset(), last.offset(), n, *v
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

// whole lowers mark until no result has records on both sides of it. The caller holds mu.
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
	pre := &prefix{part: p, from: from, next: rs.whole(from, max(from, mark)), outs: outsOf[T](nil)}
	if pre.next == from {
		return pre
	}
	in := make([]*result[T], 0, min(size, rs.kept.Len()))
	hi := from - 1
	counted := map[int64]bool{} // only if some results have several records
	for r := range rs.kept.All {
		if r.lo >= pre.next {
			break // no earlier result reaches over next, by whole
		}
		// no earlier result has this record or a later one: a transaction may end here
		if r.lo > hi && pre.records >= size {
			pre.next = r.lo
			break
		}
		if rs.wide == 0 {
			if r.lo > hi {
				pre.records++
			}
		} else {
			r.r.sources(func(l *record) bool { counted[l.offset()] = true; return true })
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
	for { // each result is below the offset as a whole or not at all: see whole
		r := rs.kept.First()
		if r == nil || r.hi >= below {
			break
		}
		records += r.n
		rs.forgotten(r.n)
		rs.kept.Pop()
	}
	return records
}

// forgotten notes that a result of that many records was removed. The caller holds mu.
func (rs *resultsOf[T]) forgotten(records int64) {
	if records > 1 {
		rs.wide--
	}
}

func (rs *resultsOf[T]) forget(offsets map[int64]bool, alone bool) (forgotten []*record, split bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.kept.DeleteFunc(func(r *result[T]) bool {
		some, all := false, true
		r.r.sources(func(l *record) bool {
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
