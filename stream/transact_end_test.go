package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Ends and halts of chains with CommitWith.

func TestTransactionEnd(t *testing.T) {
	t.Run("releases the waiting lane when it fails for good", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase().refuse(errBoom)
			put(l, 0, "a0", "a1", "a2")
			began := time.Now()
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 1, 0))
			err := j.wait()
			if !errors.Is(err, errBoom) || errors.Is(err, stream.ErrDrain) {
				t.Errorf("Run returned %v", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("Run returned after %v, want at once", took)
			}
			same(t, "started", w.tried(), []string{"a0"})
		})
	})
	t.Run("does not delay a drain when it is halted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := b.hold()
			b.refuse(errBoom)
			put(l, 0, "a0", "a1", "a2")
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 1, 0).HaltOnError())
			elapse(time.Second)
			began := time.Now()
			j.cancel()
			elapse(time.Second)
			release() // now it fails
			must(t, j.wait())
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the drain took %v", took)
			}
			same(t, "stored", b.stored(), nil)
		})
	})
	t.Run("never overlaps the next of a partition that came back", func(t *testing.T) {
		for _, back := range []string{"lost", "fenced"} {
			t.Run(back, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, b := newLog(2), newDatabase()
					b.apart = true
					put(l, 0, "a0", "a1")
					put(l, 1, "b0", "b1")
					tx := &deaf{database: b, takes: 10 * time.Second, at: map[tp]int{}}
					j := join(t, l, input.CommitWith(tx, 1, 0))
					must(t, j.member.Assign(0, 1))
					elapse(time.Second)
					must(t, j.member.Lose(0))
					must(t, j.member.Assign(0))
					elapse(time.Hour)
					sameSet(t, "stored", b.stored(), []string{"a0", "a1", "b0", "b1"})
					must(t, j.stop())
					if tx.most > 1 {
						t.Errorf("%d Commits at once for one partition", tx.most)
					}
				})
			})
		}
	})
	t.Run("is followed by that of a partition that came back, without another event", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			b.apart = true
			put(l, 0, "a0", "a1")
			tx := &deaf{database: b, takes: 10 * time.Second, at: map[tp]int{}}
			j := join(t, l, input.CommitWith(tx, 1, 0))
			must(t, j.member.Assign(0))
			elapse(time.Second)
			must(t, j.member.Lose(0))
			must(t, j.member.Assign(0))
			elapse(time.Hour)
			sameSet(t, "stored", b.stored(), []string{"a0", "a1"})
			must(t, j.stop())
		})
	})
	t.Run("is bounded by Timeout with offsets alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			release := b.hold()
			put(l, 0, "a0")
			none := func(string) bool { return false }
			j := start(t, l, input.Filter(none).CommitWith(b, 1, 0, stream.Timeout(time.Second)).RetryOnError(every(time.Second, 100)))
			elapse(10 * time.Second)
			if n := len(heard[stream.Retrying](j)); n == 0 {
				t.Error("a Commit that hangs was never given up")
			}
			release()
			elapse(10 * time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,1)"})
			must(t, j.stop())
		})
	})
	t.Run("commits to the group again after a failed commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a0", "a1")
			j := join(t, l, input.CommitWith(b, 1, 0))
			j.member.FailCommits(func(map[tp]int64) error { return errBoom })
			must(t, j.member.Assign(0))
			elapse(5 * time.Second)
			same(t, "stored", b.stored(), []string{"a0", "a1"})
			j.committed(-1)
			j.member.FailCommits(nil)
			elapse(5 * time.Second)
			j.committed(2)
			must(t, j.stop())
		})
	})
	t.Run("is an error when an exhausted source cannot restart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			release := b.hold()
			b.before = append(b.before, func(stream.Txn[string]) error { return &stream.FencedError{Err: errBoom} })
			put(l, 0, "a0", "a1")
			l.Finish()
			j := start(t, l, input.CommitWith(b, 1000, 0))
			elapse(time.Second)
			release()
			if err := j.wait(); !errors.Is(err, errBoom) && len(b.stored()) != 2 {
				t.Errorf("Run returned %v, and %v is stored", err, b.stored())
			}
		})
	})
	t.Run("needs no restart of a partition that was assigned again meanwhile", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			b.before = append(b.before, func(stream.Txn[string]) error { return &stream.FencedError{Err: errBoom} })
			put(l, 0, "a0", "a1")
			j := join(t, l, input.CommitWith(b, 2, 0))
			must(t, j.member.Assign(0))
			elapse(time.Millisecond)
			must(t, j.member.Assign(0))
			elapse(time.Millisecond)
			same(t, "stored", b.stored(), []string{"a0", "a1"})
			l.Finish() // before the first assignment's restart is due
			must(t, j.wait())
			if n := len(heard[stream.Assigned](j)); n != 2 {
				t.Errorf("assigned %d times, want 2", n)
			}
		})
	})
	t.Run("is reported as a failed attempt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().refuse(errBoom)
			put(l, 0, "a0")
			j := start(t, l, input.CommitWith(b, 1, 0).RetryOnError(every(time.Second, 3)))
			elapse(10 * time.Second)
			if n := len(heard[stream.AttemptFailed](j)); n != 1 {
				t.Errorf("%d failed attempts were told, want 1", n)
			}
			must(t, j.stop())
		})
	})
}

// deaf is a store that takes its time whatever becomes of its context.
type deaf struct {
	*database
	takes time.Duration
	at    map[tp]int
	most  int
}

func (d *deaf) Commit(ctx context.Context, tx stream.Txn[string]) error {
	d.mu.Lock()
	for p := range tx.Offsets {
		d.at[p]++
		d.most = max(d.most, d.at[p])
	}
	d.mu.Unlock()
	time.Sleep(d.takes)
	err := d.database.Commit(context.WithoutCancel(ctx), tx)
	d.mu.Lock()
	defer d.mu.Unlock()
	for p := range tx.Offsets {
		d.at[p]--
	}
	return err
}

func TestTransactionSkip(t *testing.T) {
	t.Run("of a step's halt keeps the results of other records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase().refuse(errBoom)
			w.poison("b2", errBoom)
			put(l, 0, "z", "a", "b", "c")
			pair := func(_ ctx, v string) (seq[string], error) {
				vs := []string{v + "1", v + "2", v + "3"}
				if v == "z" {
					vs = vs[:2]
				}
				return slices.Values(vs), nil
			}
			join := func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil }
			j := start(t, l, input.FlatMap(pair).Map(w.echo).HaltOnError().Batch(2, time.Minute).Map(join).CommitWith(b, 1000, time.Second).HaltOnError())
			// z1+z2 a1+a2 a3+b1, b2 is halted, and the transaction of z has failed
			elapse(10 * time.Second)
			if h := j.halt(); h.Value != "b2" {
				t.Fatal(h)
			}
			must(t, j.Skip(j.halt()))
			elapse(2 * time.Minute)
			must(t, j.stop())
			same(t, "stored", b.stored(), []string{"z1+z2", "a1+a2", "a3+b1", "c1+c2", "c3"})
		})
	})
	for how, skip := range map[string]func(*job, stream.Halt) error{
		"":                            func(j *job, h stream.Halt) error { return j.Skip(h) },
		", also if only one is named": func(j *job, h stream.Halt) error { return j.SkipRange(h, 0, 0) },
	} {
		t.Run("gives up the records joined into the element"+how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, b := newLog(1), newDatabase().poison("a0+a1")
				put(l, 0, "a0", "a1", "a2")
				join := func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil }
				j := start(t, l, input.Batch(2, time.Second).Map(join).CommitWith(b, 1000, time.Minute).HaltOnError())
				elapse(2 * time.Minute)
				must(t, skip(j, j.halt()))
				elapse(time.Minute)
				same(t, "stored", b.stored(), []string{"a2"})
				if n := len(heard[stream.Skipped](j)); n != 2 {
					t.Errorf("%d records are said to be given up, want 2", n)
				}
				must(t, j.stop())
				j.committed(3)
			})
		})
	}
}

func TestTransactionSize(t *testing.T) {
	t.Run("of one holds the lane of a record with several results", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := b.hold()
			put(l, 0, "a", "a")
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).FlatMap(thrice).CommitWith(b, 1, 0))
			elapse(time.Second)
			same(t, "started before the commit", w.tried(), []string{"a"})
			release()
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,1) a1 a2 a3", "0:[1,2) a1 a2 a3"})
			must(t, j.stop())
		})
	})
	t.Run("counts a record once, whatever its results", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := w.hold("a")
			put(l, 0, "a", "b", "c", "d")
			j := start(t, l, input.GroupByKey().MapConcurrent(8, w.echo).FlatMap(thrice).CommitWith(b, 3, time.Hour))
			release()
			elapse(time.Second)
			put(l, 0, "e")
			elapse(time.Second)
			if got := b.written(); len(got) != 1 {
				t.Errorf("%v: two records are no reason to begin", got)
			}
			put(l, 0, "f")
			elapse(time.Second)
			if got := b.written(); len(got) != 2 {
				t.Errorf("%v: three records are", got)
			}
			must(t, j.stop())
		})
	})
}
