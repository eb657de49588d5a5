package stream

import (
	"context"
	"time"
)

// A revoke and the elements of its partitions in Transforms.

// transformPatience is how long a revoke waits for a Transform to finish at least one element of
// the partition. The Transform does not know of the revoke and may wait for elements that never
// come.
const transformPatience = time.Second

// giveUp abandons the partition's elements in Transforms that match.
func (r *run) giveUp(p *part, match func(*record) bool) {
	for _, sg := range r.stages {
		if sg.transform != nil {
			sg.transform.giveUp(p, match)
		}
	}
}

// inside returns how many elements of the partition are in Transforms.
func (r *run) inside(p *part) (n int) {
	for _, sg := range r.stages {
		if d := sg.transform; d != nil {
			d.mu.Lock()
			n += len(d.of(p))
			d.mu.Unlock()
		}
	}
	return n
}

// calmDown waits until no ticket of the partitions is held or ctx ends. A drain of the pipeline
// closes the Transforms' inputs, which flushes them. A revoke of some partitions cannot do that. It
// waits as long as the Transforms make progress, and then abandons the partitions' elements in
// them: see transformPatience.
func (r *run) calmDown(ctx context.Context, ps []*part) bool {
	before := map[*part]int{}
	for ctx.Err() == nil && r.phase() == working {
		held := false
		for _, p := range ps {
			n := r.inside(p)
			if last, seen := before[p]; seen && n == last && n > 0 && p.moving.Load() == 0 {
				r.giveUp(p, func(*record) bool { return true })
				n = 0
			}
			before[p] = n
			held = held || n > 0 || p.moving.Load() > 0
		}
		if !held {
			break
		}
		c, cancel := context.WithTimeout(ctx, transformPatience)
		calm := r.await(c, ps, (*part).calm)
		cancel()
		if calm {
			return true
		}
	}
	return r.await(ctx, ps, (*part).calm)
}
