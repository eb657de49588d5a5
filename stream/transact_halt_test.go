package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// A record that has halted its partition above CommitWith is tried once by each build: the halt is
// stored by the transactor, with the offset.
func TestDurableHaltWithCommitWith(t *testing.T) {
	chain := func(w *work, b *database) stream.Stream[string] {
		return input.GroupByKey().MapConcurrent(4, w.echo, stream.Named("charge")).HaltOnError().CommitWith(b, 10, time.Second)
	}
	keeper := func() *database {
		b := newDatabase()
		b.states = 4000
		return b
	}
	// halted is a log whose b1 has halted it, for build v1.
	halted := func(t *testing.T, b *database) (*testLog, *work) {
		l, w := newLog(1), newWork().poison("b1", errBoom)
		put(l, 0, "a0", "b1", "b2", "c3")
		fail := w.hold("b1")
		j := start(t, l, chain(w, b), stream.BuildID("v1"))
		fail() // a0 is through
		synctest.Wait()
		if h := j.halt(); h.Restored || h.Meta.Offset != 1 {
			t.Errorf("halted: %+v", h)
		}
		must(t, j.stop())
		return l, w
	}

	t.Run("survives restarts and rebalances of the same build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := keeper()
			l, w := halted(t, b)
			for range 100 {
				j := start(t, l, chain(w, b), stream.BuildID("v1"))
				h := j.halt()
				if !h.Restored || h.Meta.Offset != 1 || h.Step != "charge" || h.Attempts != 1 || h.Err.Error() != "boom" || string(h.Meta.Key) != "b" {
					t.Fatalf("halted: %+v", h)
				}
				if told := heard[stream.Halted](j); len(told) != 1 || !told[0].Restored {
					t.Fatalf("told: %+v", told)
				}
				must(t, j.stop())
			}
			j := join(t, l, chain(w, b), stream.BuildID("v1"))
			for range 100 {
				must(t, j.member.Assign(0))
				synctest.Wait()
				j.halt()
				must(t, j.member.Revoke(0, 0))
			}
			if n := w.triesOf("b1"); n != 1 {
				t.Errorf("tried %d times, want once", n)
			}
			same(t, "stored", b.stored(), []string{"a0"})
		})
	})
	t.Run("survives a crash, also where nothing has finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork().poison("b0", errBoom), keeper()
			put(l, 0, "b0", "a1")
			j := join(t, l, chain(w, b), stream.BuildID("v1"))
			must(t, j.member.Assign(0))
			synctest.Wait()
			j.member.Crash()
			<-j.ended
			same(t, "transactions", b.written(), []string{"0:[0,0)"})
			j = start(t, l, chain(w, b), stream.BuildID("v1"))
			if h := j.halt(); !h.Restored {
				t.Errorf("halted: %+v", h)
			}
		})
	})
	t.Run("does not survive a crash once it was resumed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork().fail("b0", errBoom), keeper()
			put(l, 0, "b0")
			j := join(t, l, chain(w, b), stream.BuildID("v1"))
			must(t, j.member.Assign(0))
			synctest.Wait()
			w.hold("b0")
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			j.member.Crash()
			<-j.ended
			start(t, l, chain(newWork(), b), stream.BuildID("v1"))
			elapse(2 * time.Second)
			same(t, "stored by the next worker", b.stored(), []string{"b0"})
		})
	})
	t.Run("is retried once by another build, and again by neither", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := keeper()
			l, w := halted(t, b)
			for i, build := range []string{"v2", "v1", "v2", "v1"} {
				j := start(t, l, chain(w, b), stream.BuildID(build))
				if h := j.halt(); h.Restored != (i > 0) {
					t.Errorf("halted for %s: %+v", build, h)
				}
				must(t, j.stop())
			}
			if n := w.triesOf("b1"); n != 2 {
				t.Errorf("tried %d times, want twice", n)
			}
		})
	})
	for verb, want := range map[string][]string{"resumed": {"a0", "b1", "b2", "c3"}, "skipped": {"a0", "b2", "c3"}} {
		t.Run("ends for good when it is "+verb+" after a restart", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := keeper()
				l, _ := halted(t, b)
				w := newWork()
				j := start(t, l, chain(w, b), stream.BuildID("v1"))
				end := j.Resume
				if verb == "skipped" {
					end = j.Skip
				}
				must(t, end(j.halt()))
				elapse(2 * time.Second)
				same(t, "stored", b.stored(), want)
				must(t, j.stop())
				if at := b.position(tp{Topic: "t"}); at.Offset != 4 || at.State != "" {
					t.Errorf("stored: %+v", at)
				}
				j = start(t, l, chain(w, b), stream.BuildID("v1"))
				if hs := j.Halts(); len(hs) != 0 {
					t.Errorf("halts: %v", hs)
				}
				j.committed(4)
			})
		})
	}
	t.Run("is stored again after its transaction has failed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork().poison("b0", errBoom), keeper().refuse(errOther, errOther)
			put(l, 0, "b0")
			j := start(t, l, chain(w, b).RetryOnError(every(time.Second, 5)), stream.BuildID("v1"))
			elapse(time.Minute)
			same(t, "transactions", b.written(), []string{"0:[0,0)"})
			if at := b.position(tp{Topic: "t"}); at.State == "" {
				t.Error("the halt is not stored")
			}
			must(t, j.stop())
		})
	})
	t.Run("is dropped with an event if its state is of another offset", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := keeper()
			l, w := halted(t, b)
			at := b.at[tp{Topic: "t"}]
			at.Offset = 0
			b.at[tp{Topic: "t"}] = at
			j := start(t, l, chain(w, b), stream.BuildID("v1"))
			if h := j.halt(); h.Restored || w.triesOf("b1") != 2 {
				t.Errorf("tried %d times; halted: %+v", w.triesOf("b1"), h)
			}
			es := heard[stream.SourceEvent](j)
			if len(es) == 0 || es[len(es)-1].Name != "resume state dropped" {
				t.Errorf("events: %v", es)
			}
		})
	})
	t.Run("is retried if the transactor stores no state", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := newDatabase()
			l, w := halted(t, b)
			j := start(t, l, chain(w, b), stream.BuildID("v1"))
			if h := j.halt(); h.Restored || w.triesOf("b1") != 2 {
				t.Errorf("tried %d times; halted: %+v", w.triesOf("b1"), h)
			}
			same(t, "transactions", b.written(), []string{"0:[0,1) a0"})
		})
	})
}
