package fetch

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// endsEvery is how often the end of a log is looked up if no fetch returns it.
const endsEvery = 10 * time.Second

// watchEnds looks up the ends of the logs of partitions without room: full, halted or paused ones.
// Without it, their lag would not grow. It has their topics looked up too, since no fetch tells
// that one was recreated. A failure is retried next time.
func (f *Fetcher) watchEnds(ctx context.Context) {
	for backoff.Pause(ctx, endsEvery) {
		unheard := f.unheard()
		if len(unheard) > 0 {
			f.Refresh()
		}
		for leader, parts := range unheard {
			tps := make([]wire.TopicPartition, len(parts))
			for i, p := range parts {
				tps[i] = p.tp
			}
			ends, _ := List(ctx, f.cfg.Client, leader, AtEnd, f.cfg.Uncommitted, tps...)
			for _, p := range parts {
				if end, ok := ends[p.tp]; ok {
					p.do(func() { p.p.Advance(p.p.Next(), end) })
				}
			}
		}
	}
}

// unheard returns the partitions that were not fetched for a while, by leader.
func (f *Fetcher) unheard() map[int32][]*part {
	f.mu.Lock()
	defer f.mu.Unlock()
	by := map[int32][]*part{}
	for tp, p := range f.parts {
		if leader := Leader(f.cfg.Client, tp); leader >= 0 && !p.stopped && time.Since(p.heard) >= endsEvery {
			by[leader] = append(by[leader], p)
		}
	}
	return by
}
