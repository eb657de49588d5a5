package stream_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTransactionDrain(t *testing.T) {
	t.Run("waits before it retries under a new generation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			stale := make([]error, 10_000)
			for i := range stale {
				stale[i] = &stream.StaleGroupError{Err: errBoom}
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
	})
	t.Run("does not wait for a partition that is lost", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().refuse(errBoom)
			put(l, 0, "a0")
			j := join(t, l, input.CommitWith(b, 1, 0).RetryOnError(every(time.Hour, 3)))
			must(t, j.member.Assign(0))
			elapse(time.Second)
			began, ended := time.Now(), make(chan time.Time)
			go func() {
				_ = j.stop() // drains
				ended <- time.Now()
			}()
			elapse(time.Second)
			must(t, j.member.Lose(0))
			if took := (<-ended).Sub(began); took > 2*time.Second {
				t.Errorf("the drain took %v", took)
			}
		})
	})
	t.Run("ends a revoke with its last transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			b.hold()
			put(l, 0, "a0")
			tx := &called{database: b}
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
				t.Errorf("Commit was called %d times: what is given up is not started again", tx.times)
			}
			_ = j.stop()
		})
	})
	t.Run("gives transactions of an exhausted source their time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			release := b.hold()
			put(l, 0, "a0")
			l.Finish()
			tx := &called{database: b}
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
	})
	t.Run("reports a transaction that succeeds although it was given up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a0")
			j := join(t, l, input.CommitWith(&deaf{database: b, takes: 3500 * time.Millisecond, at: map[tp]int{}}, 1, 0))
			must(t, j.member.Assign(0))
			synctest.Wait() // the transaction is in progress
			must(t, j.member.Revoke(time.Second, 0))
			if r := heard[stream.Revoked](j); len(r) != 1 || r[0].Committed != 1 {
				t.Errorf("%+v, want 1 committed", r)
			}
			_ = j.stop()
		})
	})
	t.Run("lets a step's halt end while a lane waits for a transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := b.hold()
			w.poison("b0", errBoom)
			mayFail := w.hold("b0")
			put(l, 0, "a0", "a1", "b0")
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).HaltOnError().CommitWith(b, 1, 0))
			elapse(time.Second) // a0 waits for its transaction
			mayFail()
			elapse(time.Second)
			w.poison("b0", nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Second)
			sameSet(t, "done while the transaction is in progress", w.done(), []string{"a0", "a1", "b0"})
			release()
			elapse(time.Second)
			must(t, j.stop())
			same(t, "stored", b.stored(), []string{"a0", "a1", "b0"})
		})
	})
}

// called is a store that counts.
type called struct {
	*database
	times int
}

func (c *called) Commit(ctx context.Context, tx stream.Txn[string]) error {
	c.times++
	return c.database.Commit(ctx, tx)
}

func TestTransactionReassigned(t *testing.T) {
	t.Run("is not committed again when it succeeded without a lost partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase()
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := join(t, l, input.CommitWith(&deaf{database: b, takes: 10 * time.Second, at: map[tp]int{}}, 2, 0))
			must(t, j.member.Assign(0, 1))
			elapse(time.Second)
			must(t, j.member.Lose(0))
			elapse(time.Minute)
			same(t, "transactions", b.written(), []string{"0:[0,1) 1:[0,1) a0 b0"})
			if lost := heard[stream.Lost](j); len(lost) != 1 {
				t.Errorf("lost: %v, want the one that was", lost)
			}
			must(t, j.stop())
		})
	})
	t.Run("waits a moment for a transaction in progress", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a0", "a1")
			j := join(t, l, input.CommitWith(&deaf{database: b, takes: 500 * time.Millisecond, at: map[tp]int{}}, 2, 0))
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Lose(0))
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			same(t, "stored", b.stored(), []string{"a0", "a1"})
			if lost := heard[stream.Lost](j); len(lost) != 1 {
				t.Errorf("lost: %v: it is not another owner that has written", lost)
			}
			must(t, j.stop())
		})
	})
	t.Run("restarts where the transaction in progress ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			w.poison("b2", errBoom)
			put(l, 0, "z", "a", "b", "c")
			several := func(_ ctx, v string) (seq[string], error) {
				vs := []string{v + "1", v + "2", v + "3"}
				if v == "z" {
					vs = vs[:2]
				}
				return slices.Values(vs), nil
			}
			join := func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil }
			j := start(t, l, input.FlatMap(several).Map(w.echo).HaltOnError().Batch(2, time.Minute).Map(join).
				CommitWith(blind{&deaf{database: b, takes: 10 * time.Second, at: map[tp]int{}}}, 1000, time.Second))
			elapse(5 * time.Second) // z1+z2 is on its way, a3+b1 waits for b2
			w.poison("b2", nil)
			must(t, j.Resume(j.halt()))
			elapse(2 * time.Minute)
			must(t, j.stop())
			same(t, "stored", strings.Split(strings.Join(b.stored(), "+"), "+"), []string{"z1", "z2", "a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"})
		})
	})
}

// blind is a store without offsets, as one is that leaves them to the group.
type blind struct{ *deaf }

func (blind) Restore(context.Context, map[tp]stream.TopicID) (map[tp]stream.Position, error) {
	return nil, nil
}
