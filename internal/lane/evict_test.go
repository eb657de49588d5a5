package lane

import (
	"testing"
	"testing/synctest"

	"github.com/sourcegraph/conc"
)

func TestEvict(t *testing.T) {
	// Keys that never repeat, such as ids and hashes, must not be kept forever.
	t.Run("removes idle lanes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg conc.WaitGroup
			p := NewPool(Config{Slots: 1, Go: wg.Go, Waiting: &Limit{}, One: func(*Worker) func(*Task) { return func(*Task) {} }})
			s := p.NewSet()
			const keys = 50_000
			for id := range uint64(keys) {
				s.Put(id+1, new(Task))
				if id%64 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
			if n := s.lanes.n; n > keys/10 {
				t.Errorf("%d of %d lanes used once are kept", n, keys)
			}
			p.Close()
			wg.Wait()
		})
	})
}

func TestCloseLane(t *testing.T) {
	// A task after one that was given up must know.
	t.Run("is seen by the next task of the lane", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg conc.WaitGroup
			first, second, other := new(Task), new(Task), new(Task)
			told := map[*Task]bool{}
			p := NewPool(Config{Slots: 1, Go: wg.Go, Waiting: &Limit{}, One: func(w *Worker) func(*Task) {
				return func(t *Task) {
					told[t] = w.LaneClosed()
					if t == first {
						w.CloseLane()
					}
				}
			}})
			s := p.NewSet()
			s.Put(1, first)
			s.Put(1, second)
			s.Put(2, other)
			synctest.Wait()
			if told[first] || !told[second] || told[other] {
				t.Errorf("first %v, second %v, another lane's %v", told[first], told[second], told[other])
			}
			p.Close()
			wg.Wait()
		})
	})
}
