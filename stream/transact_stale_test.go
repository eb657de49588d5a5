package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTransactionStale(t *testing.T) {
	// Whether the partitions are lost is the source's to find out: no policy is asked, and there is
	// none here.
	t.Run("is tried again without a policy", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			stale := fmt.Errorf("storing offsets: %w", &stream.StaleGroupError{Err: errBoom})
			l, b := newLog(1), newDatabase().refuse(stale, stale, stale)
			put(l, 0, "a0", "a1")
			j := start(t, l, input.CommitWith(b, 2, 0))
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,2) a0 a1"})
			if n := len(heard[stream.Retrying](j)) + len(heard[stream.Failed](j)); n != 0 {
				t.Errorf("%d policies were asked", n)
			}
			must(t, j.stop())
		})
	})
}
