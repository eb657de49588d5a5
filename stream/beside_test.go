package stream_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

// desk is an Admin of a test.
type desk struct {
	refuses error
	ends    chan error // what serve returns early
	serving bool
	ps      []*stream.Pipeline
	drain   func(error)
}

func (d *desk) Listen(ps []*stream.Pipeline, drain func(error)) (func(context.Context) error, error) {
	d.ps, d.drain = ps, drain
	return func(ctx context.Context) error {
		d.serving = true
		defer func() { d.serving = false }()
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.ends:
			return err
		}
	}, d.refuses
}

func TestAdmin(t *testing.T) {
	t.Run("serves until the last pipeline has ended, and drains them all", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, d := newLog(1), newWork(), &desk{}
			put(l, 0, "a", "b")
			w.hold("a")
			p := built(t, l, commitNow(input.Serial(w.do)))
			var causes []string
			must(t, p.Observe(stream.Observer{Event: func(e stream.Event) {
				if e, ok := e.(stream.Draining); ok {
					causes = append(causes, e.Cause.Error())
				}
			}}))
			h := supervise(t, stream.Supervise(p).Serve(":0", nil).Admin(d))
			if len(d.ps) != 1 || d.ps[0] != p || !d.serving {
				t.Fatalf("it serves %v: %v", d.ps, d.serving)
			}
			d.drain(errors.New("alice asked"))
			synctest.Wait()
			h.answers(200, 503)
			if !h.running() || !d.serving {
				t.Error("it does not serve the drain")
			}
			w.release()
			must(t, h.wait())
			if d.serving {
				t.Error("it goes on after the pipelines have ended")
			}
			same(t, "causes", causes, []string{"alice asked"})
			committed(t, l, 1)
		})
	})
	t.Run("drains the pipelines when it ends early", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			for _, end := range []error{errBoom, nil} {
				l, d := newLog(1), &desk{ends: make(chan error)}
				h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(pass)))).Admin(d))
				d.ends <- end
				if err := h.wait(); err == nil || end != nil && !errors.Is(err, end) {
					t.Errorf("Run: %v", err)
				}
			}
		})
	})
	t.Run("keeps the pipelines from running when it cannot listen", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			h := supervise(t, stream.Supervise(built(t, l, commitNow(input.Serial(w.do)))).Serve(":0", nil).Admin(&desk{refuses: errBoom}))
			if err := h.wait(); !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
			if len(w.tried()) > 0 {
				t.Error("it ran")
			}
			select {
			case <-h.pipes.closed:
			default:
				t.Error("the listener of Serve is open")
			}
		})
	})
}

func TestObserveABuiltPipeline(t *testing.T) {
	t.Run("refuses an observer that cannot attach", func(t *testing.T) {
		p := built(t, newLog(1), commitNow(input.Serial(pass)))
		err := p.Observe(stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) { return stream.Observer{}, errBoom }})
		if !errors.Is(err, errBoom) {
			t.Errorf("Observe: %v", err)
		}
		err = p.Observe(stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) { panic("no") }})
		if err == nil || !strings.Contains(err.Error(), "panic: no") {
			t.Errorf("Observe: %v", err)
		}
	})
	t.Run("adds to those of Build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, heard := newLog(1), map[string]bool{}
			hears := func(name string) stream.Observer {
				return stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) {
					return stream.Observer{Event: func(stream.Event) { heard[name] = true }}, nil
				}}
			}
			p := built(t, l, commitNow(input.Serial(pass)), stream.Observe(hears("first")))
			must(t, p.Observe(hears("later")))
			h := supervise(t, stream.Supervise(p))
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
			if !heard["first"] || !heard["later"] {
				t.Errorf("heard: %v", heard)
			}
		})
	})
}
