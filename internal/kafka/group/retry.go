package group

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

const (
	// rpcTimeout is longer than the 5 s that a broker may hold a group request while the offsets
	// partition has too few replicas in sync.
	rpcTimeout = 10 * time.Second
	// joinGrace is what a JoinGroup may take beyond the rebalance timeout, and a SyncGroup beyond
	// the leader's own work.
	joinGrace  = 5 * time.Second
	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
)

// retryWait is the wait before try n (from 0).
func retryWait(n int) time.Duration { return backoff.Wait(n+1, retryFirst, retryMost) }

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
