package fetch

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 2 * time.Second
)

// backoff is the wait before try n (from 1): doubling, capped, and spread so that partitions and workers do not come back in step.
func backoff(n int) time.Duration {
	d := min(backoffFirst<<min(n-1, 10), backoffMost)
	return d/2 + rand.N(d)
}
