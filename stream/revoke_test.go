package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestRevoke(t *testing.T) {
	t.Run("drains, commits and releases", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "a1")
			put(l, 1, "b0")
			release := w.hold("a0")
			j := join(t, l, input.GroupByPartition().Serial(w.do).CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			revoked := make(chan error)
			go func() { revoked <- j.member.Revoke(0, 0) }()
			synctest.Wait()
			put(l, 1, "b1")
			synctest.Wait()
			same(t, "of the other partition, during the revoke", w.doneOf("b"), []string{"b0", "b1"})
			release()
			must(t, <-revoked)
			same(t, "of the revoked one", w.doneOf("a"), []string{"a0"})
			j.committed(1)
			got := heard[stream.Revoked](j)
			if len(got) != 1 || got[0].Partition != 0 || got[0].Committed != 1 {
				t.Errorf("events: %+v", got)
			}
			if s := j.Snapshot().Partitions; len(s) != 1 || s[0].Partition != 1 {
				t.Errorf("snapshot: %v", s)
			}
			must(t, j.stop())
			j.committed(1, 2)
		})
	})
	for name, tc := range map[string]struct {
		opts  []stream.Option
		tried []string
	}{
		"stored": {tried: []string{"a", "b"}},
		// a has to be tried once more, since b would be repeated with it
		"not stored": {[]stream.Option{stream.MaxFinishedAhead(0)}, []string{"a", "a", "b"}},
	} {
		t.Run("does not wait for the retries of a Resume, where what has finished is "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				put(l, 0, "a", "b")
				w.poison("a", errBoom)
				bad, busy := w.hold("a"), w.hold("b")
				alone := func(error) bool { return len(w.now()) == 0 } // when b is through
				chain := commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3), stream.When(alone)).HaltOnError())
				j := join(t, l, chain, tc.opts...)
				must(t, j.member.Assign(0))
				synctest.Wait()
				bad()
				synctest.Wait()
				must(t, j.Resume(j.halt()))
				began, revoked := time.Now(), make(chan error)
				go func() { revoked <- j.member.Revoke(0, 0) }()
				synctest.Wait()
				busy()
				must(t, <-revoked)
				if took := time.Since(began); took > 0 {
					t.Errorf("the revoke took %v", took)
				}
				sameSet(t, "tried", w.tried(), tc.tried)
				j.committed(0)
			})
		})
	}
	t.Run("is bounded by its deadline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0")
			w.hold("b0")
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0))
			synctest.Wait()
			began := time.Now()
			must(t, j.member.Revoke(3*time.Second, 0))
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("took %v", took)
			}
			j.committed(1)
			if got := heard[stream.Revoked](j); len(got) != 1 || got[0].Unfinished != 1 {
				t.Errorf("events: %+v", got)
			}
		})
	})
	t.Run("counts nothing that finishes afterwards", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			w.deaf = true
			release := w.hold("a")
			j := join(t, l, commitNow(input.Serial(w.do)))
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Revoke(time.Second, 0))
			w.deaf = false
			release()
			elapse(time.Minute)
			j.committed(0)
		})
	})
	t.Run("counts nothing that finishes after its context", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			j := join(t, l, commitNow(input.Serial(func(_ ctx, v string) error { // heeds nothing
				time.Sleep(1500 * time.Millisecond)
				return w.do(t.Context(), v)
			})))
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Revoke(time.Second, 0)) // half a second before, within the grace
			same(t, "done", w.done(), []string{"a"})
			if got := heard[stream.Revoked](j); len(got) != 1 || got[0].Unfinished != 1 {
				t.Errorf("events: %+v", got)
			}
			j.committed(0)
		})
	})
	t.Run("lets the next assignment continue from the commit", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			j := join(t, l, commitNow(input.Serial(w.do)))
			for range 3 {
				must(t, j.member.Assign(0))
				synctest.Wait()
				must(t, j.member.Revoke(0, 0))
				put(l, 0, "c")
			}
			same(t, "done", w.done(), []string{"a", "b", "c", "c"})
			epochs := heard[stream.Assigned](j)
			if len(epochs) != 3 || epochs[0].Epoch == epochs[1].Epoch || epochs[2].Offset != 3 {
				t.Errorf("assigned: %+v", epochs)
			}
		})
	})
}

func TestRevokeTimeout(t *testing.T) {
	late := func(t *testing.T, within time.Duration, opts ...stream.Option) (*job, *work) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "b0")
		w.hold("b0")
		j := join(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(100, time.Hour), opts...)
		must(t, j.member.Assign(0))
		synctest.Wait()
		must(t, j.member.Revoke(within, 0))
		return j, w
	}
	t.Run("is reported at once, and not by a later clean shutdown", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, w := late(t, 0, stream.DrainTimeout(5*time.Second))
			got := heard[stream.DrainIncomplete](j)
			if len(got) != 1 || len(got[0].Partitions) != 1 || !errors.Is(got[0].Err, stream.ErrDrain) {
				t.Fatalf("events: %+v", got)
			}
			says(t, got[0].Err, "unfinished and uncommitted: t[0]@1;", "a longer DrainTimeout than 5s")
			w.release()
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.stop())
			j.committed(2)
		})
	})
	t.Run("says that RebalanceTimeout cut it short", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, _ := late(t, 3*time.Second)
			got := heard[stream.DrainIncomplete](j)
			if len(got) != 1 {
				t.Fatalf("events: %+v", got)
			}
			says(t, got[0].Err, "a longer RebalanceTimeout, which left this drain 3s,")
			if strings.Contains(got[0].Err.Error(), "DrainTimeout") {
				t.Errorf("%v: DrainTimeout did not bound it", got[0].Err)
			}
		})
	})
	t.Run("is no event if everything was finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0")
			j := join(t, l, commitNow(input.Serial(w.do)))
			must(t, j.member.Assign(0))
			must(t, j.member.Revoke(0, 0))
			if got := heard[stream.DrainIncomplete](j); len(got) != 0 {
				t.Errorf("events: %+v", got)
			}
		})
	})
}

func TestShutdownInOutage(t *testing.T) {
	away := func(map[stream.TopicPartition]int64) error { return errors.New("no broker answers") }
	finished := func(t *testing.T) *job {
		l, w := newLog(2), newWork()
		put(l, 0, "a0", "a1")
		j := join(t, l, input.Serial(w.do).CommitEvery(100, time.Hour))
		j.member.FailCommits(away)
		must(t, j.member.Assign(0, 1))
		synctest.Wait()
		return j
	}
	t.Run("names finished records that cannot be committed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			err := finished(t).stop()
			if !errors.Is(err, stream.ErrDrain) {
				t.Fatalf("Run: %v", err)
			}
			says(t, err, "finished but not committed, so they will be reprocessed: 2 records of t[0] (no broker answers)")
			if strings.Contains(err.Error(), "DrainTimeout") {
				t.Errorf("%v: more time to drain would not help", err)
			}
		})
	})
	t.Run("names the records of a partition lost in the drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := finished(t)
			j.cancel()
			synctest.Wait() // the last commit is tried again and again
			must(t, j.member.Lose(0))
			says(t, j.wait(), "2 records of t[0] (the group has removed the member)")
		})
	})
	lost := func(t *testing.T) (*hand, *job) {
		h := newHand(2)
		j := h.start(t, h.chain().Serial(pass).CommitEvery(100, time.Hour))
		h.feed(0, 1, "a")
		synctest.Wait()
		h.in.SetHealth(errBoom)
		h.in.Lose(errOther, h.parts[0])
		return h, j
	}
	t.Run("names the records of a partition lost before the drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, j := lost(t)
			says(t, j.stop(), "1 record of h[0] (other)")
		})
	})
	t.Run("is clean if the outage is over, or the group was reached", func(t *testing.T) {
		for _, heal := range []func(*hand){
			func(h *hand) { h.in.SetHealth(nil) },
			func(h *hand) { h.in.Emit(stream.Rebalanced{}) },
			func(h *hand) { // a source without Rebalanced events
				_, _ = h.in.Assign(context.Background(), stream.Assignment{TopicPartition: h.parts[0].TopicPartition(), Committed: -1, Wake: func() {}})
			},
		} {
			bubble(t, func(t *testing.T) {
				h, j := lost(t)
				heal(h)
				must(t, j.stop())
			})
		}
	})
}
