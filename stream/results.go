package stream

import (
	"cmp"
	"slices"
	"sync"
)

// results is what CommitWith holds back of a partition, of a type that the run has forgotten.
type results interface {
	// end is how far a transaction may reach that begins at from: mark, or less where a result stands for records on both sides of it.
	end(from, mark int64) int64
	// due reports whether a result of the record at an offset waits for a transaction that can come: it would reach over it.
	due(offset, mark int64) bool
	// prefix is the content of the next transaction; its next is from where there is none.
	prefix(p *part, from, mark int64, size int) *prefix
	// drop lets go of what was written: the results of records below an offset. It returns how many records they were.
	drop(below int64) int64
	// forget lets go of the results of records that will be worked on again, or are given up, and returns them. split: one of them stands for others too;
	// alone: such a one stays.
	forget(offsets map[int64]bool, alone bool) (forgotten []*record, split bool)
}

// prefix is the part that a partition has in a transaction.
type prefix struct {
	part       *part
	from, next int64
	left       int64     // finished records whose results are held back behind it
	recs       []*record // of outs, one each
	outs       any       // []Out[T]
	value      func(i int) any
}

// resultsOf keeps results of a type, in the order in which they came: for one record, and for one lane, that is the order they have to keep.
type resultsOf[T any] struct {
	mu   sync.Mutex // guards what follows; a leaf
	kept []result[T]
	wide int // how many of them have several records
}

// result is an element that waits for its transaction: of one record, or of the members of a batch, which lie in [lo, hi].
type result[T any] struct {
	r      *record
	lo, hi int64
	n      int64 // how many records
	v      T
}

// linkResults ends a chain: what comes is held back, and its record finished as far as this element goes. In this order, so that no watermark has passed a
// record whose results are not here.
func linkResults[T any](st *step) any {
	return push[T](func(w *worker, r *record, v *T) {
		if r.dropped() {
			r.abandon()
			return
		}
		res := result[T]{r: r, n: r.size(), v: *v}
		res.lo, res.hi = r.span()
		rs := r.part.state[st.state].(*resultsOf[T])
		rs.mu.Lock()
		rs.kept = append(rs.kept, res)
		if res.n > 1 {
			rs.wide++
		}
		rs.mu.Unlock()
		r.part.kept.Add(res.n)
		st.run.finish(w, r)
	})
}

// span is the lowest and the highest offset of an element's records.
func (r *record) span() (lo, hi int64) {
	first := true
	r.leaves(func(l *record) bool {
		if at := l.offset(); first {
			lo, hi, first = at, at, false
		} else {
			lo, hi = min(lo, at), max(hi, at)
		}
		return true
	})
	return lo, hi
}

func (rs *resultsOf[T]) end(from, mark int64) int64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.whole(from, mark)
}

func (rs *resultsOf[T]) due(offset, mark int64) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.whole(-1, mark) > offset && slices.ContainsFunc(rs.kept, func(r result[T]) bool { return r.lo <= offset && offset <= r.hi })
}

// whole lowers mark until no result stands for records on both sides of it. The caller holds mu.
func (rs *resultsOf[T]) whole(from, mark int64) int64 {
	for moved := rs.wide > 0; moved && mark > from; {
		moved = false
		for i := range rs.kept {
			if r := &rs.kept[i]; r.lo < mark && mark <= r.hi {
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
	var in []int // of kept
	for i := range rs.kept {
		if rs.kept[i].hi < pre.next {
			in = append(in, i)
		}
	}
	slices.SortStableFunc(in, func(a, b int) int { return cmp.Compare(rs.kept[a].lo, rs.kept[b].lo) })
	records, hi := 0, from-1
	counted := map[int64]bool{} // where some have several
	for k, i := range in {
		r := &rs.kept[i]
		if r.lo > hi && records >= size { // nothing before it stands for its record, or for one behind it: a transaction may end here
			pre.next, in = r.lo, in[:k]
			break
		}
		if rs.wide == 0 {
			if r.lo > hi {
				records++
			}
		} else {
			r.r.leaves(func(l *record) bool { counted[l.offset()] = true; return true })
			records = len(counted)
		}
		hi = max(hi, r.hi)
	}
	outs := make([]Out[T], len(in))
	pre.recs = make([]*record, len(in))
	for k, i := range in {
		r := &rs.kept[i]
		outs[k], pre.recs[k] = Out[T]{r.v, r.r.meta()}, r.r
	}
	pre.outs, pre.value = outs, func(i int) any { return outs[i].Value }
	pre.left = rs.behind(pre.next)
	return pre
}

// behind is how many finished records from an offset on have results here. The caller holds mu.
func (rs *resultsOf[T]) behind(offset int64) int64 {
	records := map[int64]bool{}
	for _, r := range rs.kept {
		if r.hi >= offset {
			r.r.leaves(func(l *record) bool {
				if l.slab.Tickets[l.Index].Finished() {
					records[l.offset()] = true
				}
				return true
			})
		}
	}
	return int64(len(records))
}

func (rs *resultsOf[T]) drop(below int64) (records int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.kept = slices.DeleteFunc(rs.kept, func(r result[T]) bool {
		if r.hi < below {
			records += r.n
			rs.forgotten(r.n)
		}
		return r.hi < below
	})
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
	rs.kept = slices.DeleteFunc(rs.kept, func(r result[T]) bool {
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
