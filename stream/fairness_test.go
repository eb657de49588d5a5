package stream_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestFairness(t *testing.T) {
	const takes = 10 * time.Millisecond
	slow := func(ctx, string) error { time.Sleep(takes); return nil }
	chains := map[string]func() stream.Stream[string]{
		"by key":           func() stream.Stream[string] { return input.GroupByKey().Concurrent(4, slow) },
		"ungrouped":        func() stream.Stream[string] { return input.Concurrent(4, slow) },
		"by partition":     func() stream.Stream[string] { return input.GroupByPartition().Concurrent(4, slow) },
		"one at a time":    func() stream.Stream[string] { return input.Serial(slow) },
		"in a later stage": func() stream.Stream[string] { return input.GroupByKey().Concurrent(4, pass).Concurrent(4, slow) },
	}
	for name, chain := range chains {
		t.Run("a backlog delays another partition by one handler, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(2)
				for i := range 400 {
					l.Append(0, fmt.Sprint(i%50), "backlog")
				}
				j := start(t, l, commitNow(chain()))
				elapse(takes / 2)
				l.Append(1, "k", "new")
				synctest.Wait()
				elapse(2*takes - takes/2) // what runs ends, then the new one runs
				j.committed(j.log.Committed(0), 1)
				if at := l.Committed(0); at > 300 {
					t.Errorf("the backlog is at %d already", at)
				}
			})
		})
	}
	t.Run("the oldest records go first, so that the watermark follows", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, finished, mu := newLog(1), 0, new(sync.Mutex)
			for i := range 640 {
				l.Append(0, fmt.Sprint(i%64), "v")
			}
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, func(c ctx, v string) error { defer mu.Unlock(); err := slow(c, v); mu.Lock(); finished++; return err })))
			for range 100 {
				elapse(takes)
				mu.Lock()
				done := finished
				mu.Unlock()
				if mark := int(j.Snapshot().Partitions[0].Watermark); done-mark > 8 {
					t.Fatalf("%d have finished, the watermark is at %d", done, mark)
				}
			}
		})
	})
}
