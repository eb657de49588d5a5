package stream

import "testing"

func TestTurn(t *testing.T) {
	t.Run("counts later what the watermark has passed before it was told", func(t *testing.T) {
		var tn turn
		if n := tn.count(&prefix{from: 0, next: 10}, 10, 5, 3); n != 3 {
			t.Errorf("%d of the 3 that were told", n)
		}
		if n := tn.count(&prefix{from: 10, next: 12}, 12, 6, 3); n != 3 {
			t.Errorf("%d of the 2 that were told late and the new one", n)
		}
	})
}
