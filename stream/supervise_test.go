package stream_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestSupervise(t *testing.T) {
	t.Run("drains all pipelines on a signal", func(t *testing.T) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			bubble(t, func(t *testing.T) {
				orders, bills, w := newLog(1), newLog(1), newWork()
				put(orders, 0, "a", "c")
				put(bills, 0, "b", "d")
				w.hold("a")
				w.hold("b")
				h := supervise(t, stream.Supervise(built(t, orders, commitNow(input.Serial(w.do))), built(t, bills, commitNow(input.Serial(w.do)))).Serve(":0", nil))
				h.answers(200, 200)
				h.kill(sig)
				h.answers(200, 503) // at once, while the work continues
				sameSet(t, "running", w.now(), []string{"a", "b"})
				w.release()
				must(t, h.wait())
				sameSet(t, "started", w.tried(), []string{"a", "b"})
				committed(t, orders, 1)
				committed(t, bills, 1)
				if len(h.exits) > 0 {
					t.Error("one signal ended the process")
				}
			})
		}
	})
	t.Run("drains all pipelines when its context ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			w.hold("a")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(w.do)))).Serve(":0", nil))
			h.cancel()
			synctest.Wait()
			h.answers(200, 503)
			w.release()
			must(t, h.wait())
			same(t, "done", w.done(), []string{"a"})
			committed(t, l, 1)
		})
	})
	t.Run("ends the process at once on a second signal", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			w.hold("a")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(w.do)))))
			h.kill(syscall.SIGTERM)
			if len(h.exits) > 0 {
				t.Error("the first signal ended the process")
			}
			h.kill(syscall.SIGINT)
			if len(h.exits) == 0 {
				t.Fatal("the second signal did not end the process")
			}
			if code := <-h.exits; code != 130 {
				t.Errorf("exit code %d, want 130", code)
			}
			if !h.running() {
				t.Error("Run returned before the process would have ended")
			}
		})
	})
	t.Run("drains the others on the first failure and returns it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			orders, bills, mails, w := newLog(1), newLog(1), newLog(1), newWork()
			put(orders, 0, "a", "d")
			put(bills, 0, "b")
			put(mails, 0, "c")
			errBills := errors.New("no bills today")
			through := w.hold("a")
			release := w.fail("b", errBoom).hold("b")
			last := w.fail("c", errBills).hold("c")
			h := supervise(t, stream.Supervise(
				built(t, orders, commitNow(input.Serial(w.do)), stream.Named("orders")),
				built(t, mails, commitNow(input.Serial(w.do)), stream.Named("mails")),
				built(t, bills, commitNow(input.Serial(w.do)), stream.Named("bills"))).Serve(":0", nil))
			release()
			synctest.Wait()
			if !h.running() {
				t.Fatal("it did not wait for the others")
			}
			h.answers(200, 503) // it ends by itself: a restart would cut the drain short
			last()
			synctest.Wait()
			through()
			err := h.wait()
			if !errors.Is(err, errBoom) || !errors.Is(err, errBills) {
				t.Fatalf("Run: %v", err)
			}
			first, second, _ := strings.Cut(err.Error(), "\n")
			if !strings.HasPrefix(first, "pipeline bills: ") || !strings.HasPrefix(second, "pipeline mails: ") {
				t.Errorf("the first failure does not come first: %v", err)
			}
			sameSet(t, "done", w.done(), []string{"a"})
			committed(t, orders, 1)
		})
	})
	t.Run("lets one pipeline end while others continue", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			short, err := source.Slice("x").Serial(w.do).Build()
			must(t, err)
			h := supervise(t, stream.Supervise(short, built(t, l, commitNow(input.Serial(w.do)))).Serve(":0", nil))
			h.answers(200, 200)
			if b := h.readyz(); !b.Pipelines[0].Ended || b.Pipelines[1].Ended {
				t.Errorf("readyz: %+v", b)
			}
			put(l, 0, "a")
			synctest.Wait()
			sameSet(t, "done", w.done(), []string{"a", "x"})
			l.Finish()
			must(t, h.wait())
		})
	})
	t.Run("fails when a server ends early", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			w.hold("a")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(w.do)))).Serve(":0", nil))
			_ = h.pipes.Close()
			synctest.Wait()
			w.release()
			if err := h.wait(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Run: %v", err)
			}
			committed(t, l, 1)
		})
	})
	t.Run("refuses pipelines that cannot run", func(t *testing.T) {
		p, err := source.Slice("x").Serial(pass).Build(stream.Named("letters"))
		must(t, err)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer taken.Close()
		for what, c := range map[string]struct {
			s    *stream.Supervisor
			want []string
		}{
			"nothing":  {stream.Supervise(), []string{"Supervise has no pipeline"}},
			"all":      {stream.Supervise(p, nil, p).StuckAfter(0), []string{"pipeline 2 of Supervise is nil", "pipeline letters is given to Supervise twice", "StuckAfter(0s)"}},
			"in use":   {stream.Supervise(p).Serve(taken.Addr().String(), nil), []string{"Serve(", "in use"}},
			"no place": {stream.Supervise(p).Serve("8080", nil), []string{`Serve("8080")`, "missing port"}},
		} {
			err := c.s.Run(t.Context())
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: it does not say %q: %v", what, want, err)
				}
			}
			if _, deaf := c.s.Addr(t.Context()); deaf == nil {
				t.Errorf("%s: Addr has an address", what)
			}
		}
		if p.Live() != nil {
			t.Error("it ran")
		}
		s := stream.Supervise(p)
		must(t, s.Run(t.Context()))
		var fault *stream.BuildError
		if err := s.Run(t.Context()); !errors.As(err, &fault) {
			t.Errorf("the second Run: %v", err)
		}
		must(t, stream.Supervise(p).Run(t.Context())) // the pipeline may run again
	})
	t.Run("lets Addr wait for Run", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			s := stream.Supervise(built(t, l, commitNow(input.Serial(pass)))).Serve(":0", nil)
			early, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Addr(early); !errors.Is(err, context.Canceled) {
				t.Errorf("Addr before Run: %v", err)
			}
			h := supervise(t, s)
			at, err := s.Addr(t.Context())
			must(t, err)
			if at.String() != "pipes" {
				t.Errorf("Addr: %v", at)
			}
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
}
