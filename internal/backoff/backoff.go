// Package backoff says how long to wait before something that has failed is tried again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Wait is the wait after so many failures in a row: first, doubled with each further failure, at
// most most. Each wait is drawn from half of that to all of it, so that many who failed together
// do not come back together.
func Wait(failures int, first, most time.Duration) time.Duration {
	d := Limit(failures, first, most)
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2+1)
}

// Limit is the longest wait that Wait returns.
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

// NotBefore is d, or up to a tenth more: for a wait that someone has asked for.
func NotBefore(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + rand.N(d/10+1)
}
