package stream_test

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTransactionGaps(t *testing.T) {
	t.Run("do not make transactions smaller", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			j := start(t, l, input.MapSerial(newWork().echo).CommitWith(b, 10, time.Hour))
			for range 100 {
				put(l, 0, "a")
				synctest.Wait()
				l.AppendGap(0, 1) // such as the marker of a transaction
				synctest.Wait()
			}
			if n := len(b.written()); n > 11 {
				t.Errorf("%d transactions of up to 10 records for 100: %v", n, b.written())
			}
			must(t, j.stop())
		})
	})
}
