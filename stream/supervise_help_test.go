package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// host is a process that pipelines are supervised in: its signals, its network and its end are the
// test's.
type host struct {
	t       *testing.T
	signals chan os.Signal
	exits   chan int
	pipes   *pipes
	client  *http.Client
	cancel  context.CancelFunc
	ended   chan struct{} // closed when Run has returned
	err     error
}

// supervise runs a supervisor, in a bubble, with what more it is told.
func supervise(t *testing.T, s *stream.Supervisor) *host {
	t.Helper()
	h := &host{t: t, signals: make(chan os.Signal), exits: make(chan int, 8), pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, ended: make(chan struct{})}
	h.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.pipes.dial}}
	s.InProcess(h.signals, func(code int) { h.exits <- code }, func() (net.Listener, error) { return h.pipes, nil })
	ctx, cancel := context.WithCancel(t.Context())
	h.cancel = cancel
	go func() {
		defer close(h.ended)
		h.err = s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-h.ended
	})
	synctest.Wait()
	return h
}

func (h *host) kill(sig syscall.Signal) {
	h.signals <- sig
	synctest.Wait()
}

func (h *host) wait() error {
	<-h.ended
	return h.err
}

func (h *host) running() bool {
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

// get returns the status and the body of an answer.
func (h *host) get(path string) (int, string) {
	h.t.Helper()
	resp, err := h.client.Get("http://laneway" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// answers checks statuses.
func (h *host) answers(livez, readyz int) {
	h.t.Helper()
	if got, body := h.get("/livez"); got != livez {
		h.t.Errorf("/livez: %d, want %d: %s", got, livez, body)
	}
	if got, body := h.get("/readyz"); got != readyz {
		h.t.Errorf("/readyz: %d, want %d: %s", got, readyz, body)
	}
}

// readyz is the body, for those who read it by its names.
func (h *host) readyz() (body struct {
	Ready, Draining bool
	Pipelines       []struct {
		Name         string
		Ready, Ended bool
		Reason       string
		Troubles     []struct {
			Topic, Error string
			Partition    int
			Since        time.Time
		}
		Partitions []struct {
			Topic, State                    string
			Partition, InFlight             int
			Watermark, Committed, Next, Lag int64
			Halt                            *struct {
				Offset      int64
				Step, Error string
				Attempts    int
			}
		}
	}
}) {
	h.t.Helper()
	_, text := h.get("/readyz")
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	return body
}

// pipes is a network in memory: what waits in it lets virtual time pass.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("nobody listens")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// built is a pipeline on all partitions of a log.
func built[T any](t *testing.T, l *testLog, s stream.Stream[T], opts ...stream.Option) *stream.Pipeline {
	t.Helper()
	p, err := s.Build(append(opts, l.Source())...)
	must(t, err)
	return p
}
