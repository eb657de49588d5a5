package lane

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/sourcegraph/conc"
)

// A freed task may be put again at once, into another set too.
func TestFree(t *testing.T) {
	t.Run("frees tasks that nothing refers to", func(t *testing.T) {
		const sets, lanes, puts = 2, 2, 100_000
		type item struct {
			Task
			n int
		}
		var wg, puters conc.WaitGroup
		var used sync.Pool
		var seen [sets][lanes]int // each guarded by its lane
		pool := NewPool(Config{Slots: 4, Go: wg.Go, Waiting: &Limit{}, Free: func(t *Task) { used.Put((*item)(unsafe.Pointer(t))) },
			One: func(w *Worker) func(*Task) {
				return func(task *Task) {
					s, l := int(task.Index)/lanes, int(task.Index)%lanes
					if got := (*item)(unsafe.Pointer(task)).n; got != seen[s][l] {
						t.Errorf("set %d, lane %d: task %d came instead of %d", s, l, got, seen[s][l])
					}
					seen[s][l]++
				}
			}})
		for s := range sets {
			puters.Go(func() {
				set := pool.NewSet()
				for n := range puts * lanes {
					it, ok := used.Get().(*item)
					if !ok {
						it = new(item)
					}
					it.n, it.Index = n/lanes, int32(s*lanes+n%lanes)
					set.Put(uint64(n%lanes), &it.Task)
				}
			})
		}
		puters.Wait()
		pool.Close()
		wg.Wait()
	})
}
