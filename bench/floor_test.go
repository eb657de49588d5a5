package bench

import (
	"time"

	"github.com/sourcegraph/conc"
)

// sleepers is the floor of n elements of 1 ms, k at a time: k goroutines that sleep n times in all.
func sleepers(n, k int) time.Duration {
	var wg conc.WaitGroup
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	start := time.Now()
	for range k {
		wg.Go(func() {
			for range todo {
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
