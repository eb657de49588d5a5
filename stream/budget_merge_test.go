package stream_test

import (
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

const mib = 1 << 20

// room fails unless a partition may be fed that much.
func room(t *testing.T, what string, p *stream.Partition[string], records int, bytes int64) {
	t.Helper()
	if n, b := p.Room(); n != records || b != bytes {
		t.Errorf("%s has room for %d records and %d bytes, want %d and %d", what, n, b, records, bytes)
	}
}

func TestBudgetOfSources(t *testing.T) {
	// two starts a chain that merges two sources of one partition each.
	two := func(t *testing.T, w *work, opts ...stream.Option) (a, b *hand, j *job) {
		a, b = newHand(1), newHand(1)
		j = launch(t, nil, nil, commitNow(stream.Merge(a.chain().As("a"), b.chain().As("b")).GroupByPartition().Serial(w.do).HaltOnError()), opts...)
		<-a.ready
		<-b.ready
		return a, b, j
	}
	t.Run("is not taken by a frozen partition of another", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork().fail("x", errBoom)
			a, b, j := two(t, w, stream.MaxInFlight(100), stream.MaxBytes(10*mib))
			a.feed(0, mib, "x")
			synctest.Wait()
			j.halt()
			for range 99 { // what was asked for before the halt may still come
				a.feed(0, mib, "y")
			}
			room(t, "the halted partition", a.parts[0], 0, 0)
			room(t, "the other", b.parts[0], 100, 5*mib)
			release := w.hold("z")
			for range 4 {
				b.feed(0, mib, "z")
			}
			room(t, "the other", b.parts[0], 96, mib)
			release()
			synctest.Wait()
			room(t, "the other", b.parts[0], 100, 5*mib)
			same(t, "done", w.done(), []string{"z", "z", "z", "z"})
			j.cancel()
		})
	})
	t.Run("is at least 1 MiB for each partition, whatever the others hold", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := newHand(20), newWork()
			release := w.hold("x")
			j := h.start(t, commitNow(h.chain().Concurrent(40, w.do)), stream.MaxInFlight(100), stream.MaxBytes(4*mib))
			for i := range 10 {
				h.feed(i, mib-1, "x")
				h.feed(i, 1, "x")
			}
			room(t, "a partition with 1 MiB", h.parts[9], 0, 0)
			room(t, "an empty one", h.parts[10], 100, mib)
			h.feed(10, mib-1, "x")
			room(t, "one below its least share", h.parts[10], 99, 1)
			release()
			j.cancel()
		})
	})
	t.Run("grows as the records of an exhausted source finish", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			releaseA, releaseB := w.hold("a"), w.hold("b")
			a, b, j := two(t, w, stream.MaxInFlight(100), stream.MaxBytes(12*mib))
			a.feed(0, 3*mib, "a")
			b.feed(0, 6*mib, "b")
			room(t, "a full partition", b.parts[0], 0, 0)
			close(a.over)
			synctest.Wait()
			<-b.wake
			room(t, "the other source", b.parts[0], 99, 3*mib)
			b.feed(0, 3*mib, "b")
			room(t, "the other source", b.parts[0], 0, 0)
			releaseA()
			synctest.Wait()
			<-b.wake
			room(t, "the other source", b.parts[0], 98, 3*mib)
			releaseB()
			j.cancel()
		})
	})
}
