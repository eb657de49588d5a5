package stream_test

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// dozens sends on what it has got when it has a dozen, or when it is asked to.
func dozens(c ctx, in in, out out) error {
	var held []stream.Elem[string]
	send := func() {
		for _, e := range held {
			out <- e
		}
		held = nil
	}
	defer send()
	for flush := stream.FlushOf(c); ; {
		select {
		case e, ok := <-in:
			if !ok {
				return nil
			}
			if held = append(held, e); len(held) == 12 {
				send()
			}
		case <-flush:
			send()
		}
	}
}

// hoard is dozens, deaf.
func hoard(_ ctx, in in, out out) error {
	var held []stream.Elem[string]
	for e := range in {
		held = append(held, e)
	}
	for _, e := range held {
		out <- e
	}
	return nil
}

func TestTransformFlush(t *testing.T) {
	chains := map[string]func(w *work) stream.Stream[string]{
		"alone": func(w *work) stream.Stream[string] { return commitNow(input.Transform("dozens", dozens).Serial(w.do)) },
		"above a Batch": func(w *work) stream.Stream[string] {
			return commitNow(input.Transform("dozens", dozens).Batch(50, 0).FlatMap(flat).Serial(w.do))
		},
		"below a Batch": func(w *work) stream.Stream[string] {
			return commitNow(input.Batch(5, 0).FlatMap(flat).Transform("dozens", dozens).Serial(w.do))
		},
		"above another": func(w *work) stream.Stream[string] {
			return commitNow(input.Transform("dozens", dozens).Transform("more", dozens).Serial(w.do))
		},
		"below CommitBefore": func(w *work) stream.Stream[string] {
			return input.CommitBefore(1, 0).Transform("dozens", dozens).Serial(w.do)
		},
		"below a keyed order": func(w *work) stream.Stream[string] {
			return commitNow(input.GroupByKey().Concurrent(4, pass).Transform("dozens", dozens).Concurrent(4, w.do))
		},
	}
	for name, chain := range chains {
		t.Run("where MaxInFlight lets nothing more in, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(2), newWork()
				put(l, 0, count("a", 100)...)
				put(l, 1, count("b", 5)...)
				j := start(t, l, chain(w), stream.MaxInFlight(8), stream.MaxBytes(1<<20))
				elapse(time.Minute)
				if n := len(w.doneOf("a")); n <= 100-8 { // what does not fill the budget may stay
					t.Errorf("%d of 100 are done", n)
				}
				must(t, j.stop())
				same(t, "done of a", w.doneOf("a"), count("a", 100))
				same(t, "done of b", w.doneOf("b"), count("b", 5))
				j.committed(100, 5)
			})
		})
		t.Run("by a revoke, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(2), newWork()
				put(l, 0, "a0", "a1")
				put(l, 1, "b0")
				j := join(t, l, chain(w))
				must(t, j.member.Assign(0, 1))
				synctest.Wait()
				began := time.Now()
				must(t, j.member.Revoke(0, 0))
				synctest.Wait()
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v", took)
				}
				same(t, "done of a", w.doneOf("a"), []string{"a0", "a1"})
				j.committed(2)
				must(t, j.stop())
			})
		})
	}
	t.Run("where a source is exhausted, and another is not", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, count("a", 5)...)
			p.eu.Finish()
			j := p.start(t, commitNow(p.chain().Transform("dozens", dozens).Serial(w.do)))
			same(t, "done", w.done(), count("a", 5))
			p.committed(t, 5, -1)
			must(t, j.stop())
		})
	})
	// The last element that it receives is of a partition that stays.
	t.Run("by a revoke, while it receives the elements of another partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			gate := make(chan struct{})
			late := func(c ctx, in in, out out) error {
				<-gate
				return dozens(c, in, out)
			}
			l, w, between := newLog(2), newWork(), newWork()
			release := between.hold("b0")
			j := join(t, l, commitNow(input.Transform("dozens", dozens).Map(between.echo).Transform("more", late).Serial(w.do)))
			must(t, j.member.Assign(0, 1))
			put(l, 0, "a0", "a1")
			synctest.Wait()
			put(l, 1, "b0")
			synctest.Wait()
			revoked := make(chan error, 1)
			began := time.Now()
			go func() { revoked <- j.member.Revoke(0, 0) }()
			synctest.Wait()
			release()
			synctest.Wait()
			close(gate)
			must(t, <-revoked)
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
			same(t, "done of a", w.doneOf("a"), []string{"a0", "a1"})
			j.committed(2)
			must(t, j.stop())
		})
	})
	t.Run("for what it has joined over partitions", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := start(t, l, commitNow(input.Transform("one", func(c ctx, in in, out out) error {
				var all *stream.Elem[string]
				for flush := stream.FlushOf(c); ; {
					select {
					case e, ok := <-in:
						switch {
						case !ok && all != nil:
							out <- *all
							return nil
						case !ok:
							return nil
						case all != nil:
							e = all.Join(e)
						}
						all = &e
					case <-flush:
						if all != nil {
							out <- *all
							all = nil
						}
					}
				}
			}).Serial(w.do)), stream.MaxInFlight(1), stream.MaxBytes(1<<20))
			put(l, 0, "a1")
			put(l, 1, "b1")
			synctest.Wait()
			j.committed(2, 2)
			must(t, j.stop())
		})
	})
	t.Run("by a context of its own alone", func(t *testing.T) {
		if stream.FlushOf(t.Context()) != nil {
			t.Error("a channel of no Transform")
		}
	})
}

func TestTransformStuck(t *testing.T) {
	t.Run("is not live", func(t *testing.T) {
		for name, n := range map[string]int{"few": 4, "more than its input takes": 500} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, count("a", n)...)
					sleep := func(c ctx, in in, out out) error {
						<-c.Done()
						return hoard(c, in, out)
					}
					f := hoard
					if n > 64 {
						f = sleep
					}
					chain := commitNow(input.Transform("hoard", f).Serial(pass))
					p, err := chain.Build(l.Source(), stream.Named("billing"), stream.MaxInFlight(n), stream.MaxBytes(1<<20), stream.DrainTimeout(time.Second))
					must(t, err)
					h := supervise(t, stream.Supervise(p).Serve(":0", nil).StuckAfter(time.Minute))
					h.answers(200, 200)
					elapse(time.Minute)
					if status, body := h.get("/livez"); status != 503 || !strings.Contains(body, "t[0] has finished no record for 1m0s; its watermark is 0; Transform hoard holds elements of it") {
						t.Errorf("/livez: %d %s", status, body)
					}
					h.kill(syscall.SIGTERM)
					_ = h.wait()
				})
			})
		}
	})
}
