package stream_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestAtMostOnce(t *testing.T) {
	t.Run("passes a record on only after the ack", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, above, below := newLog(1), newWork(), newWork()
			put(l, 0, "a", "b")
			j := join(t, l, input.Serial(above.do).CommitBefore(1, 0).Serial(below.do))
			ack := j.stallCommits()
			must(t, j.member.Assign(0))
			synctest.Wait()
			same(t, "above", above.done(), []string{"a", "b"})
			same(t, "below, without an ack", below.tried(), nil)
			ack()
			synctest.Wait()
			same(t, "below", below.done(), []string{"a", "b"})
			j.committed(2)
		})
	})
	t.Run("never passes on what was not committed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			j := join(t, l, input.CommitBefore(1, 0).Serial(w.do))
			j.member.FailCommits(func(map[stream.TopicPartition]int64) error { return errBoom })
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Lose(0))
			elapse(time.Minute)
			same(t, "started", w.tried(), nil)
		})
	})
	t.Run("ends the contexts of an assignment that is over", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, hold := newLog(1), make(chan struct{})
			var kept []ctx // what a handler starts with them would live on otherwise
			j := join(t, l, input.CommitBefore(1, 0).Serial(func(c ctx, v string) error {
				if kept = append(kept, c); v == "b" {
					<-hold
				}
				return nil
			}))
			for i, v := range []string{"a", "b", "c"} {
				put(l, 0, v)
				must(t, j.member.Assign(0))
				synctest.Wait()
				if v == "b" {
					must(t, j.member.Lose(0)) // b goes on
					close(hold)
					synctest.Wait()
				} else {
					must(t, j.member.Revoke(0, 0))
				}
				if c := kept[i]; v != "b" && c.Err() == nil {
					t.Errorf("the context of %s lives on", v)
				}
			}
			if kept[1].Err() == nil {
				t.Error("the context of b lives on")
			}
		})
	})
	t.Run("finishes started work when the partition is lost", func(t *testing.T) {
		chains := map[string]func(*work) stream.Stream[string]{
			"one by one": func(w *work) stream.Stream[string] { return input.CommitBefore(1, 0).Serial(w.do) },
			"batch": func(w *work) stream.Stream[string] {
				return input.CommitBefore(1, 0).Batch(3, time.Hour).MapSerial(func(c ctx, b []string) (string, error) {
					for _, v := range b {
						if err := w.do(c, v); err != nil {
							return "", err
						}
					}
					return "", nil
				})
			},
		}
		for name, chain := range chains {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, "a", "b")
					release := w.hold("a")
					j := join(t, l, chain(w))
					must(t, j.member.Assign(0))
					synctest.Wait()
					j.committed(2)
					must(t, j.member.Lose(0))
					synctest.Wait()
					j.cancel() // a drain finishes everything past a commit, here too
					synctest.Wait()
					release()
					must(t, j.wait())
					same(t, "done", w.done(), []string{"a", "b"})
				})
			})
		}
	})
	t.Run("retries a batch through a drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, tries := newLog(1), 0
			put(l, 0, "a", "b")
			j := start(t, l, input.CommitBefore(1, 0).Batch(2, 0).Serial(func(ctx, []string) error {
				if tries++; tries < 3 {
					return errBoom
				}
				return nil
			}).RetryOnError(every(time.Second, 5)))
			must(t, j.stop())
			if tries != 3 {
				t.Errorf("%d attempts: what was committed is finished", tries)
			}
		})
	})
	t.Run("turns a commit outage into backpressure", func(t *testing.T) {
		for name, commit := range map[string]func(stream.Stream[string]) stream.Stream[string]{
			"one by one": func(s stream.Stream[string]) stream.Stream[string] { return s.CommitBefore(1, 0) },
			"every": func(s stream.Stream[string]) stream.Stream[string] {
				return s.CommitBefore(1000, 0, stream.ByCountOnly())
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, count("a", 500)...)
					j := join(t, l, commit(input).Serial(w.do), stream.MaxInFlight(50))
					var up atomic.Bool
					j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
						if up.Load() {
							return nil
						}
						return errBoom
					})
					must(t, j.member.Assign(0))
					elapse(time.Minute)
					if s := j.Snapshot().Partitions[0]; s.Next > 60 || s.InFlight > 60 {
						t.Errorf("%d fetched and %d held while nothing can be committed, MaxInFlight is 50", s.Next, s.InFlight)
					}
					up.Store(true)
					elapse(time.Minute)
					must(t, j.stop())
					same(t, "done", w.done(), count("a", 500))
				})
			})
		}
	})
}
