package stream

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// A record that waits for a retry keeps its attempts in the resume state, so that a rebalance does
// not give it new ones.

// attemptCounts is the failed attempts at unfinished records.
type attemptCounts struct {
	// made in earlier assignments; nil: none. Maps are replaced under part.mu, not changed
	earlier atomic.Pointer[attemptsBy]

	// guarded by part.mu
	failed attemptsBy // in this assignment
	noted  int        // changes of failed so far
	stored int        // changes of failed in the stored state
}

// attemptsBy is attempts by the record and the line of words that has the step: a record waits for
// one step of a line at a time, but for several lines.
type attemptsBy map[attemptsAt]resume.Attempts

type attemptsAt struct {
	offset int64
	line   int
}

// inherit restores the attempts of earlier assignments.
func (a *attemptCounts) inherit(all []resume.Attempts, stepOf func(stored string) (name string, line int, ok bool)) {
	if len(all) == 0 {
		return
	}
	earlier := attemptsBy{}
	for _, is := range all {
		name, line, ok := stepOf(is.Step)
		if ok {
			is.Step = name
		}
		earlier[attemptsAt{is.Offset, line}] = is
	}
	a.earlier.Store(&earlier)
}

// note notes the failed attempts at a record, at a step of a line. The caller holds part.mu.
func (a *attemptCounts) note(line int, failed resume.Attempts) {
	if a.failed == nil {
		a.failed = attemptsBy{}
	}
	a.failed[attemptsAt{failed.Offset, line}] = failed
	a.noted++
}

// forget resets the attempts of halted records, which have used up theirs. The caller holds
// part.mu.
func (a *attemptCounts) forget(offsets []int64) {
	halted := func(at attemptsAt, _ resume.Attempts) bool { return slices.Contains(offsets, at.offset) }
	maps.DeleteFunc(a.failed, halted)
	earlier := a.earlier.Load()
	if earlier == nil {
		return
	}
	left := maps.Clone(*earlier)
	maps.DeleteFunc(left, halted)
	a.earlier.Store(&left)
}

// toStore returns the attempts to store: of unfinished records, and of records from end on, which
// were not fed yet. It forgets those of finished records. The caller holds part.mu.
func (a *attemptCounts) toStore(holes []ledger.Span, end int64) (all []resume.Attempts, version int) {
	unfinished := func(at attemptsAt) bool {
		return within(holes, at.offset) || at.offset >= end
	}
	for at, is := range a.failed {
		if !unfinished(at) {
			delete(a.failed, at)
			continue
		}
		all = append(all, is)
	}
	if earlier := a.earlier.Load(); earlier != nil {
		left := make(attemptsBy, len(*earlier))
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
	slices.SortFunc(all, func(a, b resume.Attempts) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Step, b.Step))
	})
	return all, a.noted
}
