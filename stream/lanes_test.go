package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestLanes(t *testing.T) {
	// tells checks the lanes of t[0], and how many there are.
	tells := func(t *testing.T, j *job, n, total int, want ...string) {
		t.Helper()
		lanes, all := j.Lanes(t0, n)
		var got []string
		for _, l := range lanes {
			got = append(got, l.String())
		}
		same(t, "lanes", got, want)
		if all != total {
			t.Errorf("%d lanes, want %d", all, total)
		}
	}
	t.Run("tells the hottest and the oldest keys, each once, and what they wait for", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			release := w.hold("a0")
			w.hold("c0")
			put(l, 0, "a0", "b0", "b1", "c0", "c1", "c2", "d0")
			j := start(t, l, commitNow(charging(input, w.do, stream.Timeout(time.Hour)).RetryOnError(every(time.Minute, 9)).SkipOnError()))
			elapse(90 * time.Second)
			a := `key "a", 1 record from t[0]@0 on: waits for the handler of charge, for 1m30s`
			b := `key "b", 2 records from t[0]@1 on: waits for the next attempt of charge, for 30s, 30s left`
			c := `key "c", 3 records from t[0]@3 on: waits for the handler of charge, for 1m30s`
			tells(t, j, 9, 3, a, b, c)
			tells(t, j, 1, 3, a, c)
			tells(t, j, 0, 3)
			release()
			elapse(0)
			tells(t, j, 9, 2, b, c)
			if l, _ := j.Lanes(t0, 1); l[0].Attempt != 3 || l[0].Err == nil || l[0].Behind != 1 || !l[0].Since.Equal(l[0].At.Add(-30*time.Second)) {
				t.Errorf("%+v", l[0])
			}
		})
	})
	t.Run("tells a parked key, and one that continues", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			w.hold("b0")
			put(l, 0, "a0", "b0", "a1")
			j := start(t, l, commitNow(charging(input, w.do, stream.Timeout(time.Hour)).ParkOnError()))
			elapse(time.Minute)
			tells(t, j, 9, 2, `key "a", 2 records from t[0]@0 on: is parked by charge: fix the cause and Resume, or Skip the record, for 1m0s`,
				`key "b", 1 record from t[0]@1 on: waits for the handler of charge, for 1m0s`)
		})
	})
	t.Run("tells the key that has halted its partition, and one that waits for it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			release := w.hold("a0")
			w.hold("b0")
			put(l, 0, "a0", "b0", "c0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do, stream.Named("charge"), stream.Timeout(time.Hour)).HaltOnError()))
			release()
			elapse(time.Minute)
			tells(t, j, 9, 3, `key "a", 1 record from t[0]@0 on: is halted by charge: fix the cause and Resume, or Skip the record, for 1m0s`,
				`key "b", 1 record from t[0]@1 on: waits since its partition is halted, for 1m0s`,
				`key "c", 1 record from t[0]@2 on: waits since its partition is halted, for 1m0s`)
		})
	})
	t.Run("tells a key that is parked by hand", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, commitNow(charging(input, pass)))
			elapse(0)
			must(t, j.Park(t0, j.Snapshot().Partitions[0].Epoch, []byte("a"), "olaf", time.Time{}))
			put(l, 0, "a0", "b0")
			elapse(time.Minute)
			tells(t, j, 9, 1, `key "a", 1 record from t[0]@0 on: is parked by hand: Resume lets it continue, for 1m0s`)
		})
	})
	t.Run("tells records without a key, and those below CommitBefore", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			w.hold("a0")
			l.Append(0, "", "a0")
			l.Append(0, "", "a1")
			j := start(t, l, input.CommitBefore(1, 0, stream.ByCountOnly()).Serial(w.do, stream.Named("charge"), stream.Timeout(time.Hour)))
			elapse(time.Minute)
			lanes, total := j.Lanes(t0, 9)
			if total != 1 || len(lanes) != 1 || len(lanes[0].Key) != 0 || lanes[0].Cause != stream.CauseHandler || lanes[0].Records < 1 {
				t.Errorf("%d lanes: %v", total, lanes)
			}
		})
	})
	t.Run("tells nothing of a partition that is not assigned, and once the pipeline has ended", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			w.hold("a0")
			put(l, 0, "a0")
			j := start(t, l, commitNow(charging(input, w.do).SkipOnError()), stream.DrainTimeout(time.Second))
			elapse(0)
			if lanes, total := j.Lanes(stream.TopicPartition{Topic: "other"}, 9); len(lanes) != 0 || total != 0 {
				t.Errorf("%v", lanes)
			}
			j.cancel()
			elapse(time.Minute)
			tells(t, j, 9, 0)
		})
	})
	t.Run("may be asked while records pass", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, commitNow(charging(input, func(context.Context, string) error { return nil })))
			for range 50 {
				put(l, 0, count("a", 20)...)
				put(l, 0, count("b", 20)...)
				lanes, _ := j.Lanes(t0, 2)
				for _, lane := range lanes {
					if lane.Records < 1 || lane.Record == nil {
						t.Fatalf("%v", lane)
					}
				}
			}
		})
	})
}
