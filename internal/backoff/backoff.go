// Package backoff waits before a retry, and for the answer to a last request.
package backoff

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// Wait returns the wait after that many failures in a row: first, doubled with each further
// failure, and at most most. It is drawn at random from half of that to all of it, so that clients
// that failed together do not retry together.
func Wait(failures int, first, most time.Duration) time.Duration {
	d := Limit(failures, first, most)
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2+1)
}

// Limit returns the longest wait that Wait can return.
func Limit(failures int, first, most time.Duration) time.Duration {
	d := min(first, most)
	for range failures - 1 {
		if d > most/2 {
			return most
		}
		if d *= 2; d <= 0 {
			return 0
		}
	}
	return d
}

// NotBefore returns d or up to a tenth more, for a wait that a server asked for.
func NotBefore(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + rand.N(min(d/10, math.MaxInt64-d)+1)
}

// Policy bounds the waits between the tries of one kind.
type Policy struct{ First, Most time.Duration }

// Wait returns the wait after that many failures in a row: see the func of the same name.
func (p Policy) Wait(failures int) time.Duration { return Wait(failures, p.First, p.Most) }

// Pause waits after that many failures in a row, or until ctx ends. It reports whether ctx is still
// alive.
func (p Policy) Pause(ctx context.Context, failures int) bool { return Pause(ctx, p.Wait(failures)) }

// Pause waits for d, or until ctx ends. It reports whether ctx is still alive.
func Pause(ctx context.Context, d time.Duration) bool { return Await(ctx, d, nil) }

// Await is Pause until wake is signalled or closed.
func Await(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
