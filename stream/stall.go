package stream

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/resume"
)

// A lane stalls while its first element has failed for long and is tried again. Records behind it
// would fill MaxInFlight, and so stop the partition. So a lane that stalls is set aside, too. What
// a step has begun stays in memory. The lane is read again once its worker moves on.
//
// An element that is postponed stalls no lane, since that is the way of a breaker: all lanes that
// need its step wait, and to set them aside would read the log twice for nothing.

// stalls is the lanes of a partition that stall. It is guarded by part.mu.
type stalls struct {
	by    map[resume.LaneID]*stall
	count atomic.Int32 // len(by)
	fed   atomic.Int64 // records fed since the last look at them
}

type stall struct {
	id      resume.LaneID
	first   Meta
	stage   int // where it stalls, and as which lane; of several branches, the last one
	lane    uint64
	workers int // one, or one per branch
}

// add notes that a worker's lane stalls.
func (ss *stalls) add(first Meta, stage int, lane uint64) *stall {
	id := resume.LaneOf(first.Key)
	s := ss.by[id]
	if s == nil {
		s = &stall{id: id}
		ss.by[id] = s
		ss.count.Add(1)
	}
	s.first, s.stage, s.lane = first, stage, lane
	s.workers++
	return s
}

// end notes that a worker's lane moves on.
func (ss *stalls) end(s *stall) {
	if s.workers--; s.workers == 0 {
		delete(ss.by, s.id)
		ss.count.Add(-1)
	}
}

// all returns copies of the stalls, in the order of their records.
func (ss *stalls) all() (all []stall) {
	for _, s := range ss.by {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b stall) int { return cmp.Compare(a.first.Offset, b.first.Offset) })
	return all
}

// lanes returns the lanes that stall, by their hash.
func (ss *stalls) lanes() map[uint64]bool {
	all := make(map[uint64]bool, len(ss.by))
	for _, s := range ss.by {
		all[s.lane] = true
	}
	return all
}
