// Package backoff says how long to wait before a retry.
package backoff

import (
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
	return d + rand.N(d/10+1)
}
