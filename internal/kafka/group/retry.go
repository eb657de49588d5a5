package group

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

const (
	// rpcTimeout exceeds the 5 s that a broker may hold a group request while the offsets partition has
	// too few replicas in sync.
	rpcTimeout = 10 * time.Second
	// joinGrace is added to the rebalance timeout of a JoinGroup, and to the leader's own time of a
	// SyncGroup.
	joinGrace  = 5 * time.Second
	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
)

// retryWait is the wait before attempt n (from 0).
func retryWait(n int) time.Duration { return backoff.Wait(n+1, retryFirst, retryMost) }

// pause waits for d, or until ctx ends, and reports whether ctx is still alive.
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
