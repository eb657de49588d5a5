package backoff_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

func TestWait(t *testing.T) {
	t.Run("doubles up to the limit", func(t *testing.T) {
		for failures, want := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 7: 6400, 8: 10_000, 9: 10_000, math.MaxInt: 10_000} {
			if got := backoff.Limit(failures, 100*time.Millisecond, 10*time.Second); got != want*time.Millisecond {
				t.Errorf("after %d failures: at most %v, want %v", failures, got, want*time.Millisecond)
			}
		}
	})

	t.Run("is drawn from half of that to all of it", func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 1000 {
			d := backoff.Wait(3, 100*time.Millisecond, time.Second)
			if d < 200*time.Millisecond || d > 400*time.Millisecond {
				t.Fatalf("the third wait is %v, want 200 to 400 ms", d)
			}
			seen[d] = true
		}
		if len(seen) < 900 {
			t.Errorf("only %d of 1000 waits differ", len(seen))
		}
	})

	t.Run("is 0 without a failure or a first wait", func(t *testing.T) {
		if d := backoff.Wait(5, 0, time.Second); d != 0 {
			t.Errorf("%v", d)
		}
		if d := backoff.Wait(math.MaxInt, 0, 0); d != 0 {
			t.Errorf("%v", d)
		}
	})

	t.Run("does not overflow", func(t *testing.T) {
		if d := backoff.Limit(1000, time.Second, math.MaxInt64); d != math.MaxInt64 {
			t.Errorf("%v", d)
		}
	})
}

func TestNotBefore(t *testing.T) {
	for range 1000 {
		if d := backoff.NotBefore(time.Second); d < time.Second || d > 1100*time.Millisecond {
			t.Fatalf("%v, want 1 s to 1.1 s", d)
		}
	}
	for _, longest := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 10 * 9} {
		if d := backoff.NotBefore(longest); d < longest {
			t.Errorf("%v, want %v or more", d, longest)
		}
	}
	if d := backoff.NotBefore(-1); d != 0 {
		t.Errorf("%v", d)
	}
}

func TestAwait(t *testing.T) {
	for name, tc := range map[string]struct {
		ends, wakes bool
		waits       time.Duration
	}{
		"waits for its time":        {waits: time.Minute},
		"ends with its context":     {ends: true},
		"ends when it is signalled": {wakes: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancel(t.Context())
				defer end()
				wake := make(chan struct{})
				if tc.ends {
					end()
				}
				if tc.wakes {
					close(wake)
				}
				start := time.Now()
				alive := backoff.Await(ctx, time.Minute, wake)
				if waited := time.Since(start); alive == tc.ends || waited != tc.waits {
					t.Errorf("alive: %v after %v", alive, waited)
				}
			})
		})
	}
}
