package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestAGroupThatHasMovedOnIsAskedAgainInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, b := newLog(1), newVault()
		stale := make([]error, 10_000)
		for i := range stale {
			stale[i] = stream.ErrStaleGroup
		}
		b.refuse(stale...)
		put(l, 0, "a0")
		j := start(t, l, input.CommitWith(b, 1, 0))
		elapse(time.Second)
		b.mu.Lock()
		if n := len(stale) - len(b.before); n > 20 {
			t.Errorf("%d transactions in a second", n)
		}
		b.before = nil
		b.mu.Unlock()
		elapse(time.Second)
		same(t, "stored", b.stored(), []string{"a0"})
		must(t, j.stop())
	})
}

func TestARevokeEndsWithItsLastTransaction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, b := newLog(1), newVault()
		b.hold()
		put(l, 0, "a0")
		tx := &called{vault: b}
		j := join(t, l, input.CommitWith(tx, 1, 0))
		must(t, j.member.Assign(0))
		elapse(time.Second)
		began := time.Now()
		must(t, j.member.Revoke(time.Second, 0))
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the revoke took %v", took)
		}
		elapse(time.Minute)
		if tx.times != 1 {
			t.Errorf("Commit was called %d times: what is given up is not begun again", tx.times)
		}
		_ = j.stop()
	})
}

func TestAStopLeavesTheTransactionsOfASourceThatHasEndedTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, b := newLog(1), newVault()
		release := b.hold()
		put(l, 0, "a0")
		l.Finish()
		tx := &called{vault: b}
		j := start(t, l, input.CommitWith(tx, 1, 0))
		elapse(time.Second)
		j.cancel()
		elapse(time.Second)
		release()
		must(t, j.wait())
		if tx.times != 1 {
			t.Errorf("Commit was called %d times, want once", tx.times)
		}
		same(t, "stored", b.stored(), []string{"a0"})
	})
}

// called is a store that counts.
type called struct {
	*vault
	times int
}

func (c *called) Commit(ctx context.Context, tx stream.Txn[string]) error {
	c.times++
	return c.vault.Commit(ctx, tx)
}
