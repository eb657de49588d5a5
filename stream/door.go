package stream

import (
	"context"
	"time"
)

// What a Transform holds of a partition that has to come to rest.

// doorPatience is how long a revoke lets a Transform go without ending an element of the partition: it is not told, and may wait for what will not come.
const doorPatience = time.Second

// giveUpInside gives back what Transforms hold of the partition.
func (r *run) giveUpInside(p *part) {
	for _, sg := range r.stages {
		if sg.doorway != nil {
			sg.doorway.giveUp(p)
		}
	}
}

// inside is how many elements of the partition are in Transforms.
func (r *run) inside(p *part) (n int) {
	for _, sg := range r.stages {
		if d := sg.doorway; d != nil {
			d.mu.Lock()
			n += len(d.of(p))
			d.mu.Unlock()
		}
	}
	return n
}

// calmDown waits until nothing of the partitions is held, or ctx ends. A drain of the whole pipeline ends the Transforms; where only some partitions go,
// those get no more of them, and are waited for with doorPatience.
func (r *run) calmDown(ctx context.Context, ps []*part) bool {
	before := map[*part]int{}
	for ctx.Err() == nil && r.phase() == working {
		held := false
		for _, p := range ps {
			n := r.inside(p)
			if last, seen := before[p]; seen && n == last && n > 0 && p.moving.Load() == 0 {
				r.giveUpInside(p)
				n = 0
			}
			before[p] = n
			held = held || n > 0 || p.moving.Load() > 0
		}
		if !held {
			break
		}
		c, cancel := context.WithTimeout(ctx, doorPatience)
		calm := r.await(c, ps, (*part).calm)
		cancel()
		if calm {
			return true
		}
	}
	return r.await(ctx, ps, (*part).calm)
}
