package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// refusesOne is a database that refuses the offset of one partition.
type refusesOne struct {
	*database
	off   atomic.Bool
	tried atomic.Int32
}

func (b *refusesOne) Commit(ctx ctx, tx stream.Txn[string]) error {
	at := tp{Topic: "t", Partition: 0}
	if _, has := tx.Offsets[at]; has && !b.off.Load() {
		b.tried.Add(1)
		return &stream.CommitError{Errs: map[tp]error{at: errBoom}}
	}
	return b.database.Commit(ctx, tx)
}

// A Transactor may refuse the offset of one partition, as brokers do if the user may not read its
// topic anymore.
func TestTransactionRefusedForAPartition(t *testing.T) {
	begin := func(t *testing.T) (*job, *refusesOne) {
		l, b := newLog(2), &refusesOne{database: newDatabase()}
		put(l, 0, "a0", "a1")
		put(l, 1, "b0", "b1")
		return start(t, l, input.Serial(pass).CommitWith(b, 1000, time.Second).RetryOnError(stream.RetryPolicy{MaxAttempts: 2}).HaltOnError()), b
	}
	t.Run("has that one wait, whatever the policies, and be told of", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, b := begin(t)
			elapse(time.Minute)
			sameSet(t, "stored", b.stored(), []string{"b0", "b1"})
			told := heard[stream.CommitFailed](j)
			if n := len(told); n < 5 || n > 30 || told[n-1].Attempt != n || told[n-1].Partition != 0 || !errors.Is(told[n-1].Err, errBoom) {
				t.Errorf("told: %v", told)
			}
			if hs := j.Halts(); len(hs) > 0 {
				t.Errorf("halts: %v", hs)
			}
			j.explains(stream.CauseTransaction, nil, "boom")
			put(j.log, 1, "b2")
			elapse(10 * time.Second)
			if got := b.stored(); !slices.Contains(got, "b2") {
				t.Errorf("stored: %v", got)
			}
			b.off.Store(true)
			elapse(10 * time.Second)
			sameSet(t, "stored", b.stored(), []string{"a0", "a1", "b0", "b1", "b2"})
			must(t, j.stop())
		})
	})
	t.Run("holds up no drain, which names it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, b := begin(t)
			synctest.Wait()
			began := time.Now()
			err := j.stop()
			if d := time.Since(began); d > time.Second || !errors.Is(err, stream.ErrDrain) {
				t.Errorf("after %v: %v", d, err)
			}
			says(t, err, "2 records of t[0]", "boom")
			sameSet(t, "stored", b.stored(), []string{"b0", "b1"})
		})
	})
}

// refusesMost is a slow database that refuses the offsets of all partitions but the last one.
type refusesMost struct {
	*database
	good    int
	refused atomic.Int32 // calls
}

func (b *refusesMost) Commit(ctx ctx, tx stream.Txn[string]) error {
	time.Sleep(100 * time.Millisecond)
	errs := map[tp]error{}
	for at := range tx.Offsets {
		if at.Partition != b.good {
			errs[at] = errBoom
		}
	}
	if len(errs) > 0 {
		b.refused.Add(1)
		return &stream.CommitError{Errs: errs}
	}
	return b.database.Commit(ctx, tx)
}

// Each retry of a refused offset costs a transaction of all partitions. So the refused ones, which
// came at different times, are retried together.
func TestTransactionRefusedForManyPartitions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const many = 100
		l, b := newLog(many+1), &refusesMost{database: newDatabase(), good: many}
		j := start(t, l, input.Serial(pass).CommitWith(b, 1000, 50*time.Millisecond).HaltOnError())
		for i := range many {
			put(l, i, "bad")
			elapse(30 * time.Millisecond)
		}
		elapse(time.Minute)
		b.refused.Store(0)
		var late time.Duration
		for i := range 60 {
			put(l, many, fmt.Sprint("good ", i))
			began := time.Now()
			for !slices.Contains(b.stored(), fmt.Sprint("good ", i)) && time.Since(began) < time.Minute {
				elapse(50 * time.Millisecond)
			}
			late = max(late, time.Since(began))
			elapse(time.Second)
		}
		if n := b.refused.Load(); n > 40 || late > time.Second {
			t.Errorf("%d transactions were refused, and a record of another partition took %v", n, late)
		}
		_ = j.stop()
	})
}
