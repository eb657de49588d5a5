package ops

import (
	"math/rand/v2"
	"time"
)

// Exponential is a RetryPolicy's Backoff: the wait after attempt n is drawn from 0 up to base·2ⁿ⁻¹, at most up to max ("full jitter", which spreads
// the retries of many best: Brooker, Exponential Backoff and Jitter, 2015).
func Exponential(base, max time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		limit := base
		for n := 1; n < attempt && limit < max; n++ {
			limit *= 2
		}
		if limit = min(limit, max); limit <= 0 {
			return 0
		}
		return rand.N(limit + 1)
	}
}
