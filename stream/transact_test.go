package stream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTransaction(t *testing.T) {
	t.Run("holds results back until their record is in the finished prefix", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := w.hold("a0")
			put(l, 0, "a0", "b0", "c0")
			j := start(t, l, input.GroupByKey().MapConcurrent(8, w.echo).CommitWith(b, 1000, time.Second))
			elapse(time.Minute)
			same(t, "stored while the first record is at work", b.stored(), nil)
			release()
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,3) a0 b0 c0"})
			must(t, j.stop())
			j.committed(3) // the group's offsets follow
		})
	})
	t.Run("holds all results of a record, or none", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a", "b", "c")
			j := start(t, l, input.Filter(func(v string) bool { return v != "b" }).FlatMap(thrice).CommitWith(b, 1, 0))
			same(t, "stored", b.stored(), []string{"a1", "a2", "a3", "c1", "c2", "c3"})
			if n := len(b.written()); n != 2 {
				t.Errorf("%d transactions, want 2: an offset without results goes with others", n)
			}
			put(l, 0, "b")
			elapse(time.Second)
			same(t, "last transaction", b.written()[2:], []string{"0:[3,4)"})
			must(t, j.stop())
		})
	})
	t.Run("is bounded by its size", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := w.hold("a0")
			put(l, 0, count("a", 1)...)
			put(l, 0, count("b", 6)...)
			j := start(t, l, input.GroupByKey().MapConcurrent(8, w.echo).CommitWith(b, 3, time.Second))
			release()
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,3) a0 b0 b1", "0:[3,6) b2 b3 b4", "0:[6,7) b5"})
			must(t, j.stop())
		})
	})
	t.Run("of size one holds the lane until it is committed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := b.hold()
			put(l, 0, "a0", "a1")
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 1, 0))
			same(t, "started before the commit", w.tried(), []string{"a0"})
			release()
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,1) a0", "0:[1,2) a1"})
			must(t, j.stop())
		})
	})
	t.Run("does not split a batch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := w.hold("b0")
			put(l, 0, "a0", "b0", "a1", "c0")
			join := func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil }
			j := start(t, l, input.GroupByKey().MapConcurrent(8, w.echo).Batch(2, time.Second).Map(join).CommitWith(b, 1, 0))
			elapse(time.Minute)
			same(t, "while a record between the two is at work", b.written(), nil)
			release()
			elapse(time.Minute)
			same(t, "transactions", b.written(), []string{"0:[0,3) a0+a1 b0", "0:[3,4) c0"})
			must(t, j.stop())
		})
	})
	t.Run("of size one holds no lane for a commit that waits for what is next in it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := w.hold("b0")
			put(l, 0, "a0", "b0", "b1", "b2", "b3", "a1")
			join := func(c ctx, vs []string) (string, error) { return strings.Join(vs, "+"), w.do(c, vs[0]) }
			j := start(t, l, input.GroupByKey().Batch(2, 0).MapConcurrent(8, join).CommitWith(b, 1, 0))
			release() // the other batch is around both of b
			elapse(time.Minute)
			same(t, "transactions", b.written(), []string{"0:[0,6) a0+a1 b0+b1 b2+b3"})
			must(t, j.stop())
		})
	})
	t.Run("is tried again as a whole", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().refuse(errBoom, errBoom)
			put(l, 0, "a0", "a1")
			j := start(t, l, input.CommitWith(b, 2, 0).RetryOnError(every(time.Second, 3)))
			elapse(1999 * time.Millisecond)
			same(t, "stored before the second wait is over", b.stored(), nil)
			elapse(time.Second)
			same(t, "transactions", b.written(), []string{"0:[0,2) a0 a1"})
			if n := len(heard[stream.Retrying](j)); n != 2 {
				t.Errorf("%d retries were told, want 2", n)
			}
			must(t, j.stop())
		})
	})
	t.Run("ends the pipeline when it fails for good", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a0")
			put(l, 0, "a0", "a1")
			j := start(t, l, input.CommitWith(b, 2, 0, stream.Named("ledger")))
			var failed *stream.StepError
			if err := j.wait(); !errors.As(err, &failed) || failed.Step != "ledger" || failed.Offset != 0 || !errors.Is(err, errBoom) {
				t.Error(err)
			}
			same(t, "stored", b.stored(), nil)
			j.committed(-1)
		})
	})
	t.Run("halts the partitions of the elements it names", func(t *testing.T) {
		for _, how := range []string{"resume", "skip"} {
			t.Run(how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, b := newLog(2), newDatabase()
					poison := true
					for range 100 {
						b.before = append(b.before, func(tx stream.Txn[string]) error {
							i := slices.IndexFunc(tx.Elems, func(e stream.Out[string]) bool { return e.Value == "x1" })
							if i < 0 || !poison {
								return nil
							}
							return &stream.PartialError{Errs: map[int]error{i: errBoom}}
						})
					}
					put(l, 0, "x0", "x1", "x2")
					put(l, 1, "y0", "y1")
					j := start(t, l, input.CommitWith(b, 100, time.Second).HaltOnError())
					elapse(time.Second)
					put(l, 1, "y2")
					elapse(time.Minute)
					if h := j.halt(); h.Meta.Offset != 1 || h.Meta.Partition != 0 || h.Value != "x1" || !errors.Is(h.Err, errBoom) {
						t.Error(h)
					}
					stored := func(key string) []string {
						return slices.DeleteFunc(b.stored(), func(v string) bool { return v[:1] != key })
					}
					same(t, "stored while the other partition is halted", stored("y"), []string{"y0", "y1", "y2"})
					if xs := stored("x"); len(xs) > 1 { // x0 may be, as it stands before the culprit
						t.Errorf("stored of the halted partition: %v", xs)
					}
					poison = false
					want := []string{"x0", "x1", "x2"}
					if how == "skip" {
						want = []string{"x0", "x2"}
						must(t, j.Skip(j.halt()))
					} else {
						must(t, j.Resume(j.halt()))
					}
					elapse(time.Minute)
					same(t, "stored after", stored("x"), want)
					must(t, j.stop())
					j.committed(3, 3)
				})
			})
		}
	})
	t.Run("stores no result twice after a halt above it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			w.poison("a2", errBoom)
			put(l, 0, "a", "b")
			j := start(t, l, input.FlatMap(thrice).Map(w.echo).HaltOnError().CommitWith(b, 1000, time.Second))
			elapse(time.Minute)
			same(t, "stored while a record is halted", b.stored(), nil)
			w.poison("a2", nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "stored", b.stored(), []string{"a1", "a2", "a3", "b1", "b2", "b3"})
			must(t, j.stop())
		})
	})
	t.Run("restarts where the transactor says", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase()
			b.at[tp{Topic: "t", Partition: 0}] = stream.Position{Offset: 2}
			put(l, 0, count("a", 4)...)
			put(l, 1, "b0")
			l.SetCommitted(0, 1)
			j := start(t, l, input.CommitWith(b, 10, time.Second))
			elapse(time.Second)
			sameSet(t, "stored", b.stored(), []string{"a2", "a3", "b0"})
			must(t, j.stop())
		})
	})
	t.Run("commits what has finished before a revoke returns", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			put(l, 0, count("a", 3)...)
			j := join(t, l, input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 1000, 0))
			must(t, j.member.Assign(0))
			elapse(time.Second)
			must(t, j.member.Revoke(0, 0))
			same(t, "transactions", b.written(), []string{"0:[0,3) a0 a1 a2"})
			j.committed(3)
			must(t, j.stop())
		})
	})
	t.Run("ends when its partition is lost", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase()
			release := b.hold()
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := join(t, l, input.CommitWith(b, 2, 0))
			must(t, j.member.Assign(0, 1))
			elapse(time.Second)
			must(t, j.member.Lose(0))
			elapse(time.Second)
			release()
			elapse(time.Second)
			same(t, "stored: the other partition's alone", b.stored(), []string{"b0"})
			must(t, j.stop())
		})
	})
	t.Run("restarts a partition that another owner wrote for", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, count("a", 3)...)
			// another owner has written the first record
			b.before = append(b.before, func(stream.Txn[string]) error {
				b.at[tp{Topic: "t"}] = stream.Position{Offset: 1}
				b.txns = append(b.txns, stream.Txn[string]{Elems: []stream.Out[string]{{Value: "a0"}}})
				return nil
			})
			j := start(t, l, input.CommitWith(b, 3, time.Second))
			elapse(10 * time.Second)
			same(t, "stored", b.stored(), count("a", 3))
			if lost := heard[stream.Lost](j); len(lost) != 1 {
				t.Errorf("lost: %v, want one", lost)
			}
			must(t, j.stop())
			j.committed(3)
		})
	})
	t.Run("does not take a lost answer for another owner's commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, count("a", 3)...)
			b.after = append(b.after, func(stream.Txn[string]) error { return errBoom })
			j := start(t, l, input.CommitWith(b, 3, 0).RetryOnError(every(time.Second, 3)))
			elapse(10 * time.Second)
			same(t, "stored once", b.stored(), count("a", 3))
			must(t, j.stop())
		})
	})
	t.Run("commits offsets without records a while later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a")
			j := start(t, l, input.CommitWith(b, 10, 100*time.Millisecond))
			elapse(time.Minute)
			l.AppendGap(0, 5)
			elapse(time.Minute)
			if at := b.position(tp{Topic: "t"}).Offset; at != 6 {
				t.Errorf("%d is stored, want 6", at)
			}
			must(t, j.stop())
		})
	})
	t.Run("runs side by side up to MaxPartitions", func(t *testing.T) {
		for _, c := range []struct{ most, want int }{{0, 4}, {2, 2}, {1, 1}} {
			bubble(t, func(t *testing.T) {
				l, b := newLog(4), newDatabase()
				b.apart = true
				release := b.hold()
				for i := range 4 {
					put(l, i, "a", "b")
				}
				var opts []stream.DegreeOption
				if c.most > 0 {
					opts = append(opts, stream.MaxPartitions(c.most))
				}
				j := start(t, l, input.CommitWith(b, 1, 0, opts...))
				elapse(time.Second)
				if n := b.peak(); n != c.want {
					t.Errorf("MaxPartitions %d: %d transactions at once, want %d", c.most, n, c.want)
				}
				release()
				elapse(time.Minute)
				if got := len(b.stored()); got != 8 {
					t.Errorf("%d results are stored, want 8", got)
				}
				must(t, j.stop())
				same(t, "faults", b.faults(), nil)
			})
		}
	})
	t.Run("counts held back results as in flight", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork(), newDatabase()
			release := b.hold()
			put(l, 0, count("a", 100)...)
			j := start(t, l, input.GroupByKey().MapConcurrent(4, w.echo).CommitWith(b, 1000, 0), stream.MaxInFlight(10))
			elapse(time.Minute)
			if n := len(w.tried()); n > 20 {
				t.Errorf("%d records were worked on while nothing can be written, 10 may be held back", n)
			}
			release()
			elapse(time.Minute)
			must(t, j.stop())
			same(t, "stored", b.stored(), count("a", 100))
		})
	})
}
