package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// at returns a partition of the log of a test.
func at(partition int) stream.TopicPartition {
	return stream.TopicPartition{Topic: "t", Partition: partition}
}

func TestPause(t *testing.T) {
	t.Run("reads nothing until Resume, and finishes records read before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a", "b")
			release := w.hold("a")
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do)))
			must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Time{}))
			put(l, 0, "c")
			put(l, 1, "d")
			release()
			synctest.Wait()
			sameSet(t, "while paused", w.done(), []string{"a", "b", "d"})
			j.committed(2, 1)
			h := j.halt()
			if text := h.String(); h.By != "alice" || !strings.Contains(text, "t[0] has been paused by alice") || !strings.HasSuffix(text, "read up to 2; Resume continues reading") {
				t.Errorf("halt: %v", h)
			}
			if s := j.Snapshot().Partitions[0]; s.State != stream.StateHalted {
				t.Errorf("state: %+v", s)
			}
			if e := j.Explain(at(0)); e.Cause != stream.CausePause || !strings.Contains(e.String(), "is paused: Resume continues reading") || e.Err.Error() != "paused by alice" {
				t.Errorf("Explain: %v", e)
			}
			must(t, j.Resume(h))
			must(t, j.WaitResumed(t.Context(), h))
			synctest.Wait()
			j.committed(3, 1)
			if len(heard[stream.Paused](j)) != 1 || len(heard[stream.Halted](j)) != 0 || len(heard[stream.Resumed](j)) != 1 {
				t.Errorf("events: %v", j.ear)
			}
		})
	})
	t.Run("is not skipped, as no record has failed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, commitNow(input.Serial(w.do)))
			must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Time{}))
			put(l, 0, "a")
			says(t, j.Skip(j.halt()), "no record has failed")
			says(t, j.SkipRange(j.halt(), 0, 0), "no record has failed")
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "done", w.done(), []string{"a"})
		})
	})
	t.Run("is released apart from the halt of a record at its offset", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom)
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError()))
			must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Time{}))
			hs := j.Halts()
			if len(hs) != 2 {
				t.Fatalf("halts: %v", hs)
			}
			for _, h := range hs {
				if h.By == "" {
					must(t, j.Skip(h))
				}
			}
			put(l, 0, "c")
			synctest.Wait()
			same(t, "while paused", w.done(), []string{"b"})
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "afterwards", w.done(), []string{"b", "c"})
		})
	})
	t.Run("is not confused with the halt of a record in flight", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, values := newWork().fail("a", errBoom), make(chan string)
			next := func(ctx context.Context) (string, bool, error) {
				select {
				case v := <-values:
					return v, true, nil
				case <-ctx.Done():
					return "", false, nil
				}
			}
			p, err := source.Func(next).Serial(w.do).HaltOnError().Build(stream.Observe())
			must(t, err)
			h := supervise(t, stream.Supervise(p))
			q := p.Snapshot().Partitions[0]
			must(t, p.Pause(q.TopicPartition, q.Epoch, "alice", time.Time{}))
			values <- "a" // at the offset of the pause
			synctest.Wait()
			for _, h := range p.Halts() {
				if h.By == "" {
					must(t, p.Resume(h))
				}
			}
			synctest.Wait()
			same(t, "done", w.done(), []string{"a"})
			if hs := p.Halts(); len(hs) != 1 || hs[0].By != "alice" {
				t.Errorf("halts: %v", hs)
			}
			h.cancel()
			must(t, h.wait())
		})
	})
	t.Run("ends with a drain, which waits for nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := start(t, l, input.Batch(10, time.Hour).Serial(pass).CommitEach())
			must(t, j.Pause(at(0), j.Snapshot().Partitions[0].Epoch, "alice", time.Time{}))
			synctest.Wait()
			j.committed(1) // its batch is not waited for
			must(t, j.stop())
		})
	})
	t.Run("applies to the assignment that its caller saw", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), commitNow(input.Serial(pass)))
			epoch := j.Snapshot().Partitions[0].Epoch
			for _, err := range []error{j.Pause(at(0), epoch+1, "alice", time.Time{}), j.Pause(at(7), epoch, "alice", time.Time{})} {
				if !errors.Is(err, stream.ErrEpoch) {
					t.Errorf("Pause: %v", err)
				}
			}
			says(t, j.Pause(at(0), epoch, "", time.Time{}), "pass the name")
			must(t, j.Pause(at(0), epoch, "alice", time.Time{}))
			says(t, j.Pause(at(0), epoch, "bob", time.Time{}), "paused by alice")
			must(t, j.stop())
			if err := j.Pause(at(0), epoch, "alice", time.Time{}); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("Pause: %v", err)
			}
		})
	})
}
