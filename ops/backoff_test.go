package ops_test

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/ops"
)

func TestExponentialGrowsToItsMaximum(t *testing.T) {
	wait := ops.Exponential(100*time.Millisecond, time.Second)
	for attempt, limit := range map[int]time.Duration{1: 100, 2: 200, 4: 800, 5: 1000, 1000: 1000} {
		limit *= time.Millisecond
		longest := time.Duration(0)
		for range 500 {
			d := wait(attempt)
			if d < 0 || d > limit {
				t.Fatalf("after attempt %d: %v, the limit is %v", attempt, d, limit)
			}
			longest = max(longest, d)
		}
		if longest < limit/2 {
			t.Errorf("after attempt %d: never above %v of %v", attempt, longest, limit)
		}
	}
}

func TestExponentialWithoutABaseWaitsNot(t *testing.T) {
	if d := ops.Exponential(0, time.Second)(3); d != 0 {
		t.Fatal(d)
	}
}
