package stream_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

func TestMaxInFlight(t *testing.T) {
	for _, tc := range []struct {
		name string
		most int64 // offset of partition 0 that is read, behind its first record
		opts []stream.Option
	}{
		{"bounds what is unfinished", 100, nil},
		{"bounds what lies above the watermark, where no state is stored", 10, []stream.Option{stream.MaxFinishedAhead(0)}},
		{"leaves the bound of what is finished ahead to its own option", 30, []stream.Option{stream.MaxFinishedAhead(30)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(2), newWork()
				put(l, 0, count("a", 100)...)
				put(l, 1, count("b", 100)...)
				release := w.hold("a0")
				j := start(t, l, commitNow(input.Concurrent(4, w.do)), append(tc.opts, stream.MaxInFlight(10))...)
				s := j.Snapshot().Partitions
				if s[0].InFlight > 10 || s[0].Next != tc.most {
					t.Errorf("behind a0: %+v, want to have read up to %d", s[0], tc.most)
				}
				j.committed(0, 100)
				release()
				synctest.Wait()
				j.committed(100, 100)
			})
		})
	}
}

func TestBudget(t *testing.T) {
	t.Run("shares bytes fairly between partitions", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand := newHand(4)
			w := newWork()
			for _, v := range []string{"a", "b", "c", "d"} {
				w.hold(v)
			}
			j := hand.start(t, commitNow(hand.chain().Concurrent(8, w.do)), stream.MaxInFlight(100), stream.MaxBytes(40<<20))
			for i, p := range hand.parts {
				if _, bytes := p.Room(); bytes != 10<<20 {
					t.Errorf("partition %d has room for %d bytes, its share is 10 MiB", i, bytes)
				}
			}
			hand.feed(0, 9<<20, "a")
			hand.feed(1, 1<<20, "b")
			synctest.Wait()
			hand.feed(0, 2<<20, "a")
			if n, bytes := hand.parts[0].Room(); n != 0 || bytes != 0 {
				t.Errorf("a partition over its share has room for %d records, %d bytes", n, bytes)
			}
			if n, bytes := hand.parts[1].Room(); n != 99 || bytes != 9<<20 {
				t.Errorf("another one has room for %d records, %d bytes; want 99 and 9 MiB", n, bytes)
			}
			j.cancel()
			w.release()
		})
	})
	t.Run("lets every partition hold one record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand := newHand(8)
			w := newWork()
			for _, v := range []string{"a", "b"} {
				w.hold(v)
			}
			j := hand.start(t, commitNow(hand.chain().Concurrent(8, w.do)), stream.MaxInFlight(1), stream.MaxBytes(1<<20))
			hand.feed(0, 1<<30, "a") // far over everything there is
			for i, p := range hand.parts[1:] {
				if n, bytes := p.Room(); n != 1 || bytes < 1 {
					t.Errorf("partition %d has room for %d records, %d bytes; each may hold one", i+1, n, bytes)
				}
			}
			hand.feed(1, 1<<30, "b")
			synctest.Wait()
			same(t, "at work", w.now(), []string{"a", "b"})
			j.cancel()
			w.release()
		})
	})
	t.Run("wakes the source when room returns", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand := newHand(1)
			w := newWork()
			release := w.hold("a")
			j := hand.start(t, commitNow(hand.chain().Serial(w.do)), stream.MaxInFlight(1))
			hand.feed(0, 1, "a")
			if n, _ := hand.parts[0].Room(); n != 0 {
				t.Fatalf("room for %d", n)
			}
			select {
			case <-hand.wake:
				t.Fatal("woken without room")
			default:
			}
			release()
			synctest.Wait()
			select {
			case <-hand.wake:
			default:
				t.Error("not woken")
			}
			if n, _ := hand.parts[0].Room(); n != 1 {
				t.Errorf("room for %d", n)
			}
			j.cancel()
		})
	})
	t.Run("grows and wakes the source when partitions leave", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand := newHand(2)
			w := newWork()
			w.hold("a")
			j := hand.start(t, commitNow(hand.chain().Concurrent(4, w.do)), stream.MaxInFlight(100), stream.MaxBytes(10<<20))
			hand.feed(0, 4<<20, "a")
			if n, _ := hand.parts[0].Room(); n == 0 {
				t.Fatal("no room")
			}
			hand.feed(0, 2<<20, "a")
			if n, _ := hand.parts[0].Room(); n != 0 {
				t.Fatalf("room for %d with 6 of 5 MiB", n)
			}
			hand.in.Lose(errBoom, hand.parts[1])
			synctest.Wait()
			select {
			case <-hand.wake:
			default:
				t.Error("not woken, though its share has doubled")
			}
			if _, bytes := hand.parts[0].Room(); bytes != 4<<20 {
				t.Errorf("room for %d bytes, want 4 of 10 MiB", bytes)
			}
			j.cancel()
			w.release()
		})
	})
}

func TestFeed(t *testing.T) {
	t.Run("takes records with a gap of more than 4 billion offsets between them", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const gap = 1 << 33
			h, offsets := newHand(1), []int64(nil)
			j := h.start(t, commitNow(h.chain().GroupByPartition().Serial(func(c ctx, _ string) error {
				m, _ := stream.MetaOf(c)
				offsets = append(offsets, m.Offset)
				return nil
			})))
			p := h.parts[0]
			p.Feed([]string{"a", "b"}, apart{place{p.TopicPartition(), 0}, gap}, gap+1, 2)
			synctest.Wait()
			if s := j.Snapshot().Partitions[0]; len(offsets) != 2 || offsets[1] != gap || s.Watermark != gap+1 {
				t.Errorf("offsets %v, watermark %d", offsets, s.Watermark)
			}
		})
	})
	t.Run("does nothing after a revoke", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand, w := newHand(1), newWork()
			j := hand.start(t, commitNow(hand.chain().Serial(w.do)))
			hand.in.Revoke(t.Context(), hand.parts[0])
			hand.feed(0, 1, "a")
			synctest.Wait()
			same(t, "tried", w.tried(), nil)
			if n, _ := hand.parts[0].Room(); n != 0 {
				t.Errorf("a revoked partition has room for %d", n)
			}
			j.cancel()
		})
	})
	t.Run("waits for Resume while its partition is halted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hand, w := newHand(1), newWork().fail("x", errBoom)
			j := hand.start(t, commitNow(hand.chain().GroupByPartition().Serial(w.do).HaltOnError()))
			hand.feed(0, 1, "x")
			synctest.Wait()
			hand.feed(0, 1, "y") // it had room a moment ago
			synctest.Wait()
			same(t, "while frozen", w.tried(), []string{"x"})
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "after Resume", w.done(), []string{"x", "y"})
			j.cancel()
		})
	})
}

// hand is a source that does what the test does with it.
type hand struct {
	n     int
	until func() bool   // Assignment.Expired
	over  chan struct{} // closed: it is exhausted
	in    *stream.Intake[string]
	parts []*stream.Partition[string]
	wake  chan struct{}
	ready chan struct{}
}

func newHand(n int) *hand {
	return &hand{n: n, over: make(chan struct{}), wake: make(chan struct{}, 1), ready: make(chan struct{})}
}

func (h *hand) chain() stream.Stream[string] {
	return stream.From(func() stream.Source[string] { return h })
}

func (h *hand) start(t *testing.T, s stream.Stream[string], opts ...stream.Option) *job {
	t.Helper()
	j := launch(t, nil, nil, s, opts...)
	<-h.ready
	return j
}

func (h *hand) Info() stream.SourceInfo { return stream.SourceInfo{Name: "hand"} }

func (h *hand) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }

func (h *hand) Run(c context.Context, in *stream.Intake[string]) (err error) {
	h.in = in
	var as []stream.Assignment
	for i := range h.n {
		as = append(as, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "h", Partition: i}, Committed: -1, Expired: h.until, Wake: func() {
			select {
			case h.wake <- struct{}{}:
			default:
			}
		}})
	}
	h.parts, err = in.Assign(c, as...)
	close(h.ready)
	select {
	case <-c.Done():
	case <-h.over:
	}
	return err
}

// feed hands one value over, which keeps so many bytes alive.
func (h *hand) feed(part int, bytes int64, v string) {
	p := h.parts[part]
	from := p.Next()
	p.Feed([]string{v}, place{p.TopicPartition(), from}, from+1, bytes)
}

// place is the lineage of one value.
type place struct {
	tp     stream.TopicPartition
	offset int64
}

func (p place) Meta(int) stream.Meta {
	return stream.Meta{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: p.offset}
}
func (p place) Key(int) []byte   { return nil }
func (p place) Offset(int) int64 { return p.offset }

// apart is the lineage of two values between which a compacted log has left a gap.
type apart struct {
	place
	gap int64
}

func (a apart) Offset(i int) int64 { return a.place.offset + int64(i)*a.gap }

func (a apart) Meta(i int) stream.Meta {
	m := a.place.Meta(i)
	m.Offset = a.Offset(i)
	return m
}
