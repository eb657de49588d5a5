package group

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// rpcTimeout is longer than the 5 s that a broker may hold a group request while the offsets partition has too few replicas in sync.
	rpcTimeout = 10 * time.Second
	// joinGrace is what a JoinGroup may take beyond the rebalance timeout, and a SyncGroup beyond the leader's own work.
	joinGrace  = 5 * time.Second
	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
)

// backoff is the wait before try n (from 0): doubling, capped, and spread by half to either side so that members do not come back in step.
func backoff(n int) time.Duration {
	d := min(retryFirst<<min(n, 10), retryMost)
	return d/2 + rand.N(d)
}

// pause waits for d, or until ctx ends, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
