package stream

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/resume"
)

// A record that waits for a retry keeps its attempts in the resume state, so that a rebalance does
// not give it new ones.

// attemptCounts is the failed attempts at unfinished records.
type attemptCounts struct {
	// made in earlier assignments, by offset; nil: none. Maps are replaced under part.mu, not changed
	earlier atomic.Pointer[map[int64]resume.Attempts]

	// guarded by part.mu
	failed map[int64]resume.Attempts // in this assignment, by offset
	noted  int                       // changes of failed so far
	stored int                       // changes of failed in the stored state
}

// inherit restores the attempts of earlier assignments.
func (a *attemptCounts) inherit(all []resume.Attempts) {
	if len(all) == 0 {
		return
	}
	earlier := map[int64]resume.Attempts{}
	for _, is := range all {
		earlier[is.Offset] = is
	}
	a.earlier.Store(&earlier)
}

// note notes the failed attempts at a record. The caller holds part.mu.
func (a *attemptCounts) note(failed resume.Attempts) {
	if a.failed == nil {
		a.failed = map[int64]resume.Attempts{}
	}
	a.failed[failed.Offset] = failed
	a.noted++
}

// forget has records start with new attempts, since they are halted: they have used up theirs. The
// caller holds part.mu.
func (a *attemptCounts) forget(offsets []int64) {
	for _, at := range offsets {
		delete(a.failed, at)
	}
	earlier := a.earlier.Load()
	if earlier == nil {
		return
	}
	left := maps.Clone(*earlier)
	for _, at := range offsets {
		delete(left, at)
	}
	a.earlier.Store(&left)
}

// toStore returns the attempts to store: of records in holes and of those that were not fed yet,
// which lie from end on. It forgets those of finished records. The caller holds part.mu.
func (a *attemptCounts) toStore(holes []int64, end int64) (all []resume.Attempts, version int) {
	unfinished := func(at int64) bool {
		_, is := slices.BinarySearch(holes, at)
		return is || at >= end
	}
	for at, is := range a.failed {
		if !unfinished(at) {
			delete(a.failed, at)
			continue
		}
		all = append(all, is)
	}
	if earlier := a.earlier.Load(); earlier != nil {
		left := make(map[int64]resume.Attempts, len(*earlier))
		for at, is := range *earlier {
			if !unfinished(at) {
				continue
			}
			left[at] = is
			if _, again := a.failed[at]; !again {
				all = append(all, is)
			}
		}
		if len(left) == 0 {
			a.earlier.Store(nil)
		} else if len(left) < len(*earlier) {
			a.earlier.Store(&left)
		}
	}
	slices.SortFunc(all, func(a, b resume.Attempts) int { return cmp.Compare(a.Offset, b.Offset) })
	return all, a.noted
}
