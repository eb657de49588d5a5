package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestDefaultRetries(t *testing.T) {
	t.Run("halt nothing in an outage of 20 s, whenever it begins", func(t *testing.T) {
		for _, begins := range []time.Duration{0, 700 * time.Millisecond, 5 * time.Second} {
			bubble(t, func(t *testing.T) {
				l, w, began := newLog(4), newWork(), time.Now()
				charge := func(c ctx, v string) (string, error) {
					if at := time.Since(began); at >= begins && at < begins+20*time.Second {
						time.Sleep(time.Millisecond)
						return "", errBoom
					}
					return v, w.do(c, v)
				}
				j := start(t, l, input.GroupByKey().MapConcurrent(64, charge).RetryOnError(stream.RetryPolicy{}).HaltOnError().CommitEvery(1000, time.Second))
				for i := range 400 {
					put(l, i%4, fmt.Sprint(string(rune('a'+i%20)), i/20))
					elapse(100 * time.Millisecond)
				}
				elapse(12 * time.Second) // no wait between two attempts is longer
				if hs := heard[stream.Halted](j); len(hs) != 0 {
					t.Errorf("halts: %v", hs)
				}
				for k := range 20 {
					key := string(rune('a' + k))
					same(t, key, w.doneOf(key), count(key, 20))
				}
				must(t, j.stop())
				j.committed(100, 100, 100, 100)
			})
		}
	})
}
