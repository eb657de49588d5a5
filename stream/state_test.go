package stream_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestReady(t *testing.T) {
	t.Run("fails while the source is offline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := newHand(1)
			j := h.start(t, h.chain())
			must(t, j.Ready())
			h.in.SetHealth(errBoom)
			if err := j.Ready(); !errors.Is(err, errBoom) {
				t.Errorf("Ready: %v", err)
			}
			h.in.SetHealth(nil)
			must(t, j.Ready())
			must(t, j.stop())
		})
	})
	t.Run("fails in a drain, which is live", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom)
			put(l, 0, "b")
			j := join(t, l, commitNow(input.Serial(w.do)))
			must(t, j.Ready()) // a member without partitions is ready
			release := w.hold("b")
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.Ready())
			j.cancel()
			synctest.Wait()
			if err := j.Ready(); err == nil || !strings.Contains(err.Error(), "draining") {
				t.Errorf("Ready in a drain: %v", err)
			}
			must(t, j.Live())
			release()
			must(t, j.wait())
			if err := j.Ready(); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("Ready after Run: %v", err)
			}
			must(t, j.Live())
		})
	})
}

func TestSnapshot(t *testing.T) {
	t.Run("counts what would be reprocessed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b1", "c2", "d3")
			w.hold("b1")
			j := join(t, l, commitNow(input.Concurrent(4, w.do)), stream.MaxFinishedAhead(0))
			must(t, j.member.Assign(0))
			elapse(time.Second)
			want := stream.Totals{Delivered: 4, Finished: 3, Uncommitted: 2}
			blind := func(t stream.Totals) stream.Totals { t.Bytes = 0; return t }
			if got := j.Snapshot().Partitions[0].Totals; blind(got) != want {
				t.Errorf("totals: %+v, want %+v", got, want)
			}
			must(t, j.member.Lose(0))
			w.release()
			elapse(time.Second)
			if lost := heard[stream.Lost](j); len(lost) != 1 || blind(lost[0].Totals) != want {
				t.Errorf("lost: %+v, want %+v", lost, want)
			}
			must(t, j.member.Assign(0))
			elapse(time.Second)
			must(t, j.member.Revoke(0, 0))
			want = stream.Totals{Delivered: 3, Finished: 3}
			if revoked := heard[stream.Revoked](j); len(revoked) != 1 || blind(revoked[0].Totals) != want {
				t.Errorf("revoked: %+v, want %+v", revoked, want)
			}
		})
	})
	t.Run("describes each partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "a1", "a2")
			w.hold("a1")
			began := time.Now()
			j := start(t, l, commitNow(input.Serial(w.do)))
			elapse(time.Minute)
			s := j.Snapshot()
			if !s.Running || len(s.Partitions) != 2 {
				t.Fatalf("snapshot: %+v", s)
			}
			p := s.Partitions[0]
			want := stream.PartitionState{TopicPartition: stream.TopicPartition{Topic: "t"}, Epoch: 1, State: "open", Watermark: 1, Committed: 1,
				Next: 3, End: 3, Lag: 2, LagTime: time.Minute, ActiveLag: 2, ActiveLagTime: time.Minute, StateBytes: p.StateBytes, InFlight: p.InFlight, Bytes: p.Bytes, Oldest: p.Oldest, Since: began,
				Totals: stream.Totals{Delivered: 3, Bytes: p.Totals.Bytes, Finished: 1}}
			if !reflect.DeepEqual(p, want) || p.Oldest.Offset != 1 || p.InFlight < 2 || p.InFlight > 3 {
				t.Errorf("partition 0: %+v", p)
			}
			j.cancel()
			synctest.Wait()
			if s := j.Snapshot().Partitions[0]; s.State != stream.StateDraining {
				t.Errorf("in a drain: %+v", s)
			}
			w.release()
			must(t, j.wait())
			if s := j.Snapshot(); s.Running || len(s.Partitions) != 0 {
				t.Errorf("after Run: %+v", s)
			}
		})
	})
}

func TestStateOf(t *testing.T) {
	t.Run("lasts as long as the assignment", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a", "b")
			put(l, 1, "c")
			type counts struct{ n atomic.Int64 }
			key, got := new(int), map[string]int64{}
			j := join(t, l, commitNow(input.Serial(func(c ctx, v string) error {
				s := stream.StateOf(c, key, func() *counts { return new(counts) })
				got[v] = s.n.Add(1)
				return nil
			})))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Revoke(0, 0))
			put(l, 0, "d")
			must(t, j.member.Assign(0))
			synctest.Wait()
			if want := map[string]int64{"a": 1, "b": 2, "c": 1, "d": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("counts: %v, want %v", got, want)
			}
			if stream.StateOf(t.Context(), key, func() *counts { return new(counts) }) != nil {
				t.Error("state without a handler's context")
			}
		})
	})
}

func TestOnSettled(t *testing.T) {
	t.Run("reports whether a record finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("c", errBoom)
			put(l, 0, "a", "b", "c", "d")
			rest := map[string]bool{}
			j := start(t, l, commitNow(input.Serial(func(c ctx, v string) error {
				if !stream.OnSettled(c, func(finished bool) { rest[v] = finished }) {
					t.Error("OnSettled refused a handler's context")
				}
				return nil
			}).Filter(func(v string) bool { return v != "b" }).Serial(w.do).HaltOnError()))
			if want := map[string]bool{"a": true, "b": true, "c": false}; fmt.Sprint(rest) != fmt.Sprint(want) && len(rest) != 4 {
				t.Errorf("rest: %v, want %v", rest, want)
			}
			if !rest["a"] || !rest["b"] || rest["c"] || rest["d"] {
				t.Errorf("rest: %v", rest)
			}
			j.committed(2)
			if stream.OnSettled(t.Context(), func(bool) {}) {
				t.Error("OnSettled took a context that is not a handler's")
			}
		})
	})
}
