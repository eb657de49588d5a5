package lane

import (
	"testing"
	"time"

	"github.com/sourcegraph/conc"
)

func TestWait(t *testing.T) {
	// A wait that ends just as the last other worker runs out of work must get its slot.
	t.Run("continues if it ends as the last worker runs out of work", func(t *testing.T) {
		var wg conc.WaitGroup
		var over chan struct{}
		through := make(chan struct{}, 1)
		waits, ends := new(Task), new(Task)
		p := NewPool(Config{Slots: 1, Go: wg.Go, Waiting: &Limit{Max: 8}, One: func(w *Worker) func(*Task) {
			return func(task *Task) {
				if task == waits {
					w.Wait(func() { <-over })
					through <- struct{}{}
					return
				}
				close(over)
			}
		}})
		s := p.NewSet()
		for n := range 20_000 {
			over = make(chan struct{})
			s.PutLoose(waits)
			s.PutLoose(ends)
			select {
			case <-through:
			case <-time.After(10 * time.Second):
				t.Fatalf("round %d: the finished wait got no slot", n)
			}
		}
		p.Close()
		wg.Wait()
	})
	// In a closed pool, the set that has the turn may have tasks but no worker left, so its turn may
	// never end.
	t.Run("needs no turn in a closed pool", func(t *testing.T) {
		for name, closedFirst := range map[string]bool{"closed before the wait": true, "closed while it waits for its turn": false} {
			t.Run(name, func(t *testing.T) {
				var wg conc.WaitGroup
				closed, through, holds, release := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
				waits, other := new(Task), new(Task)
				p := NewPool(Config{Slots: 2, MaxPartitions: 1, Go: wg.Go, Waiting: &Limit{Max: 8}, One: func(w *Worker) func(*Task) {
					return func(task *Task) {
						if task == other {
							close(holds)
							<-release
							return
						}
						if closedFirst {
							<-closed
						}
						w.Wait(func() {
							if !closedFirst {
								<-holds
							}
						})
						close(through)
					}
				}})
				p.NewSet().PutLoose(waits)
				p.NewSet().PutLoose(other) // has the turn once the other waits
				if !closedFirst {
					<-holds
				}
				p.Close()
				close(closed)
				select {
				case <-through:
				case <-time.After(10 * time.Second):
					t.Fatal("the finished wait did not continue")
				}
				close(release)
				wg.Wait()
			})
		}
	})
}
