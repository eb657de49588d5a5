package stream

import "testing"

func TestTxnState(t *testing.T) {
	t.Run("counts a record later if the watermark passed it first", func(t *testing.T) {
		var ts txnState
		if n := ts.count(&prefix{from: 0, next: 10}, 10, 5, 3); n != 3 {
			t.Errorf("counted %d of the 3 that the ledger had reported", n)
		}
		if n := ts.count(&prefix{from: 10, next: 12}, 12, 6, 3); n != 3 {
			t.Errorf("counted %d: want the 2 late ones and the new one", n)
		}
	})
}
