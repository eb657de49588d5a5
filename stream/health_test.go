package stream_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestServe(t *testing.T) {
	t.Run("closes connections that were used once and left open", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := supervise(t, stream.Supervise(built(t, newLog(1), commitNow(input.Serial(pass)))).Serve(":0", nil))
			conn, err := h.pipes.dial(t.Context(), "", "")
			must(t, err)
			ask, err := http.NewRequestWithContext(t.Context(), "GET", "http://laneway/livez", nil)
			must(t, err)
			go func() { _ = ask.Write(conn) }()
			began := time.Now()
			answer, err := io.ReadAll(conn) // until the other side has closed it
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK") || time.Since(began) > 5*time.Minute {
				t.Errorf("after %v: %q %v", time.Since(began), answer, err)
			}
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
	// A halt leaves the pod ready, or the fix could not be rolled out, unless readiness is to be
	// strict.
	t.Run("reports each partition in readyz", func(t *testing.T) {
		for status, opts := range map[int][]stream.Option{200: nil, 503: {stream.ReadyWhen(stream.EveryPartition)}} {
			t.Run(fmt.Sprint(status), func(t *testing.T) { readyzTells(t, status, opts...) })
		}
	})
	t.Run("reports a member without partitions as ready", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			m := l.Member()
			p, err := commitNow(input.Serial(pass)).Build(m.Source())
			must(t, err)
			h := supervise(t, stream.Supervise(p).Serve(":0", nil))
			h.answers(200, 200)
			if _, body := h.get("/readyz"); !strings.Contains(body, `"partitions":[]`) {
				t.Errorf("readyz: %s", body)
			}
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
	t.Run("answers before the source connects", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			src := newHand(1)
			p, err := src.chain().Build()
			must(t, err)
			h := supervise(t, stream.Supervise(p).Serve(":0", nil))
			src.in.SetHealth(errBoom)
			h.answers(200, 503)
			if b := h.readyz(); !strings.Contains(b.Pipelines[0].Reason, "not connected: boom") {
				t.Errorf("readyz: %+v", b)
			}
			src.in.SetHealth(nil)
			h.answers(200, 200)
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
	t.Run("serves metrics if they are given", func(t *testing.T) {
		for _, metrics := range []http.Handler{nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "laneway_lag 3") })} {
			bubble(t, func(t *testing.T) {
				h := supervise(t, stream.Supervise(built(t, newLog(1), commitNow(input.Serial(pass)))).Serve(":0", metrics))
				status, body := h.get("/metrics")
				if metrics == nil && status != 404 || metrics != nil && (status != 200 || body != "laneway_lag 3") {
					t.Errorf("/metrics: %d %s", status, body)
				}
				h.kill(syscall.SIGTERM)
				must(t, h.wait())
			})
		}
	})
	// A metrics handler that hangs does not keep the process.
	t.Run("does not wait for an answer that hangs", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			h := supervise(t, stream.Supervise(built(t, newLog(1), commitNow(input.Serial(pass)))).Serve(":0", hang))
			asked := make(chan error)
			go func() {
				_, err := h.client.Get("http://laneway/metrics")
				asked <- err
			}()
			synctest.Wait()
			began := time.Now()
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
			if took := time.Since(began); took > 1100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			if <-asked == nil {
				t.Error("an answer came")
			}
		})
	})
}

func readyzTells(t *testing.T, status int, opts ...stream.Option) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork().poison("a", errBoom)
		put(l, 0, "a", "b")
		put(l, 1, "c", "d")
		p := built(t, l, commitNow(input.GroupByPartition().Serial(w.do, stream.Named("charge")).HaltOnError()), append(opts, stream.Named("billing"))...)
		h := supervise(t, stream.Supervise(p).Serve(":0", nil))
		h.answers(200, status) // a poison record must not become a crash loop
		b := h.readyz()
		if b.Ready != (status == 200) || b.Draining || len(b.Pipelines) != 1 {
			t.Fatalf("readyz: %+v", b)
		}
		q := b.Pipelines[0]
		if q.Name != "billing" || q.Ready != b.Ready || strings.Contains(q.Reason, "t[0] has been halted since") == q.Ready || len(q.Partitions) != 2 {
			t.Fatalf("readyz: %+v", q)
		}
		halted, open := q.Partitions[0], q.Partitions[1]
		if halted.State != "halted" || halted.Lag != 2 || halted.Halt == nil || halted.Halt.Step != "charge" || halted.Halt.Error != "boom" || halted.Halt.Attempts != 1 {
			t.Errorf("partition 0: %+v, %+v", halted, halted.Halt)
		}
		if open.Topic != "t" || open.Partition != 1 || open.State != "open" || open.Committed != 2 || open.Next != 2 || open.Lag != 0 || open.InFlight != 0 || open.Halt != nil {
			t.Errorf("partition 1: %+v", open)
		}
		w.poison("a", nil)
		must(t, p.Resume(p.Halts()[0]))
		synctest.Wait()
		h.answers(200, 200)
		h.kill(syscall.SIGTERM)
		must(t, h.wait())
	})
}

func TestStuckAfter(t *testing.T) {
	t.Run("ends liveness", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "a1")
			put(l, 1, "b0")
			w.hold("a1")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.GroupByPartition().Serial(w.do)), stream.Named("billing"))).Serve(":0", nil).StuckAfter(time.Minute))
			h.answers(200, 200)
			elapse(59 * time.Second)
			h.answers(200, 200)
			put(l, 1, "b1") // another partition's work is no progress of this one
			elapse(time.Second)
			if status, body := h.get("/livez"); status != 503 || !strings.Contains(body, "pipeline billing: t[0] has finished no record for 1m0s; its watermark is 1") {
				t.Errorf("/livez: %d %s", status, body)
			}
			w.release()
			synctest.Wait()
			h.answers(200, 200)
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
	t.Run("leaves waiting and halted records alone", func(t *testing.T) {
		for word, fails := range map[string]func(stream.Stream[string]) stream.Stream[string]{
			"halted": func(s stream.Stream[string]) stream.Stream[string] { return s.HaltOnError() },
			"waits":  func(s stream.Stream[string]) stream.Stream[string] { return s.RetryOnError(every(time.Hour, 3)) },
		} {
			t.Run(word, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().poison("a", errBoom)
					put(l, 0, "a")
					s := stream.Supervise(built(t, l, commitNow(fails(input.Serial(w.do))))).Serve(":0", nil).StuckAfter(time.Minute)
					h := supervise(t, s)
					for range 3 {
						if status, body := h.get("/livez"); status != 200 {
							t.Errorf("/livez: %d %s", status, body)
						}
						elapse(10 * time.Minute)
					}
					h.kill(syscall.SIGTERM)
					must(t, h.wait())
				})
			})
		}
	})
	// Unasked, a stuck handler is no reason for a restart.
	t.Run("is off by default", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			w.hold("a")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(w.do)))).Serve(":0", nil))
			h.answers(200, 200)
			elapse(24 * time.Hour)
			h.answers(200, 200)
			w.release()
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
}
