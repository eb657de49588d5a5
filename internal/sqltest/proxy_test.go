package sqltest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/sourcegraph/conc"
)

// proxy is between a worker and its database. While it is silent, it accepts connections and reads
// from them, but forwards nothing.
type proxy struct {
	l      net.Listener
	to     string
	passes conc.WaitGroup

	mu    sync.Mutex    // guards the fields below
	open  chan struct{} // closed while it forwards
	conns []net.Conn
}

// throughProxy returns a proxy to the database, and a DSN that leads through it.
func throughProxy(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: u.Host, open: make(chan struct{})}
	close(p.open)
	u.Host = l.Addr().String()
	p.passes.Go(p.accept)
	t.Cleanup(func() {
		p.speak()
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.passes.Wait()
	})
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		p.passes.Go(func() { p.pass(out, in) })
		p.passes.Go(func() { p.pass(in, out) })
	}
}

// pass forwards data from one side to the other.
func (p *proxy) pass(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if _, e := to.Write(buf[:n]); e != nil || err != nil {
			return
		}
	}
}

func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) speak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}
