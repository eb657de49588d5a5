package admin_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestAt(t *testing.T) {
	t.Run("refuses what would show secrets to a network", func(t *testing.T) {
		certs := &tls.Config{Certificates: []tls.Certificate{{}}}
		for _, addr := range []string{":7070", "0.0.0.0:7070", "192.0.2.1:7070", "worker.example.com:7070", "[::]:7070"} {
			err := stream.Supervise(built(t)).Admin(admin.At(addr)).Run(t.Context())
			var fault *stream.BuildError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), "InsecurePlaintext") {
				t.Errorf("At(%q): %v", addr, err)
			}
		}
		for what, opts := range map[string][]admin.Option{
			"the TLS config has no certificate":       {admin.TLS(&tls.Config{})},
			"no client certificate would be verified": {admin.TLS(certs), admin.Certificate("CN=alice", admin.Read)},
			`the token of "alice" has 5 characters`:   {admin.Token("alice", "short", admin.Read)},
			"a caller has no name":                    {admin.Token("", reads, admin.Read)},
			`"alice" has scope 0`:                     {admin.Token("alice", reads, 0)},
			"TLS was given no config":                 {admin.TLS(nil)},
			"an Option is nil":                        {nil},
			"Logger was given nil":                    {admin.Logger(nil)},
			"Events(0)":                               {admin.Events(0)},
		} {
			if err := stream.Supervise(built(t)).Admin(admin.At("127.0.0.1:0", opts...)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	t.Run("refuses a name for loopback that is none", func(t *testing.T) {
		elsewhere := &elsewhere{newPipes()}
		err := stream.Supervise(built(t)).Admin(admin.At("localhost:7070", tokens...).On(io.Discard, elsewhere)).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
			t.Errorf("Run: %v", err)
		}
		<-elsewhere.closed
	})
	t.Run("says what it cannot bind", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer taken.Close()
		at := admin.At(taken.Addr().String(), tokens...)
		if err := stream.Supervise(built(t)).Admin(at).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("Run: %v", err)
		}
		if _, err := at.Addr(t.Context()); err == nil {
			t.Error("it has an address")
		}
	})
	t.Run("writes the token that it makes to standard error, and to no log", func(t *testing.T) {
		var stderr strings.Builder
		served(t, admin.At("127.0.0.1:0").On(&stderr, nil), func(url string) {
			line := regexp.MustCompile(`^admin: (\S+), token ([A-Z2-7]{26})\n$`).FindStringSubmatch(stderr.String())
			if line == nil || line[1] != url {
				t.Fatalf("standard error: %q", stderr.String())
			}
			if got := status(t, http.DefaultClient, url+"/v1/halts", line[2]); got != 200 {
				t.Errorf("with the token: %d", got)
			}
		})
	})
	t.Run("writes the token to a file that its user alone reads", func(t *testing.T) {
		var stderr strings.Builder
		path := filepath.Join(t.TempDir(), "token")
		must(t, os.WriteFile(path, []byte("an old one"), 0o644))
		served(t, admin.At("127.0.0.1:0", admin.TokenFile(path)).On(&stderr, nil), func(url string) {
			info, err := os.Stat(path)
			must(t, err)
			secret, err := os.ReadFile(path)
			must(t, err)
			if info.Mode().Perm() != 0o600 || strings.Contains(stderr.String(), strings.TrimSpace(string(secret))) {
				t.Errorf("mode %v; standard error: %s", info.Mode(), stderr.String())
			}
			if got := status(t, http.DefaultClient, url+"/v1/halts", strings.TrimSpace(string(secret))); got != 200 {
				t.Errorf("with the token: %d", got)
			}
		})
	})
	t.Run("says on this machine where the token is", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		for says, opts := range map[string][]admin.Option{
			"the worker has written it to its standard error": nil,
			"the worker has written it to " + path:            {admin.TokenFile(path)},
			"the worker was given its tokens by admin.Token":  tokens,
		} {
			served(t, admin.At("127.0.0.1:0", opts...).On(io.Discard, nil), func(url string) {
				resp, err := http.Post(url+"/v1/pipelines/billing/resume", "application/json", strings.NewReader(`{"halt":"x"}`))
				must(t, err)
				text, err := io.ReadAll(resp.Body)
				must(t, errors.Join(err, resp.Body.Close()))
				if resp.StatusCode != 401 || !strings.Contains(string(text), says) {
					t.Errorf("%d %s, want %q", resp.StatusCode, text, says)
				}
			})
		}
	})
	t.Run("makes no token where there is one", func(t *testing.T) {
		var stderr strings.Builder
		served(t, admin.At("127.0.0.1:0", tokens...).On(&stderr, nil), func(string) {})
		if stderr.Len() > 0 {
			t.Errorf("standard error: %s", stderr.String())
		}
	})
	t.Run("knows a client by the subject of its certificate", func(t *testing.T) {
		ca := newAuthority(t)
		server := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "worker")}, ClientCAs: ca.pool, ClientAuth: tls.VerifyClientCertIfGiven}
		at := admin.At("127.0.0.1:0", admin.TLS(server), admin.Certificate("CN=alice", admin.Operate))
		served(t, at, func(url string) {
			for name, want := range map[string]int{"alice": 409, "bob": 401} {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, name)}}}}
				resp, err := client.Post(url+"/v1/pipelines/billing/resume", "application/json", strings.NewReader(`{"halt":"x"}`))
				must(t, err)
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("%s: %d, want %d", name, resp.StatusCode, want)
				}
			}
		})
	})
	t.Run("answers until the drain has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, pipes := streamtest.Kafka("orders", 1), newPipes()
			opstest.Put(l, 0, "a")
			p, err := opstest.Orders.Serial(func(context.Context, kafka.Message) error { time.Sleep(10 * time.Second); return nil }).CommitEach().Build(l.Source(), stream.Named("billing"))
			must(t, err)
			ended := make(chan error)
			go func() {
				ended <- stream.Supervise(p).Admin(admin.At("127.0.0.1:0", tokens...).On(io.Discard, pipes)).Run(t.Context())
			}()
			opstest.Pass(time.Second)
			d := desk{t, pipes}
			var proc struct{ Instance string }
			d.get("/v1/process", "", &proc)
			if got, text, _ := d.ask(http.MethodPost, "/v1/drain", operates, fmt.Sprintf(`{"instance":%q}`, proc.Instance)); got != 200 {
				t.Fatalf("drain: %d %s", got, text)
			}
			opstest.Pass(time.Second)
			es := d.events("")
			if e := es[len(es)-1]; e.Kind != "draining" || !strings.HasPrefix(e.Text, "olaf asked for it, from ") {
				t.Errorf("events: %+v", es)
			}
			must(t, <-ended)
			if l.Committed(0) != 1 {
				t.Errorf("committed %d", l.Committed(0))
			}
		})
	})
}

func TestConnections(t *testing.T) {
	// serve runs a server in virtual time and gives f a connection to it.
	serve := func(t *testing.T, f func(c net.Conn)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			pipes := newPipes()
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				ended <- stream.Supervise(built(t)).Admin(admin.At("127.0.0.1:0", tokens...).On(io.Discard, pipes)).Run(ctx)
			}()
			synctest.Wait()
			c, err := pipes.dial()
			must(t, err)
			f(c)
			_ = c.Close()
			stop()
			must(t, <-ended)
		})
	}
	// cut returns after how long the server has closed the connection, and what it said.
	cut := func(t *testing.T, c net.Conn) (time.Duration, string) {
		t.Helper()
		start := time.Now()
		text, err := io.ReadAll(c)
		must(t, err)
		return time.Since(start), string(text)
	}
	t.Run("that send no headers are cut", func(t *testing.T) {
		serve(t, func(c net.Conn) {
			_, err := io.WriteString(c, "GET /v1/halts HTTP/1.1\r\n")
			must(t, err)
			if after, _ := cut(t, c); after != 5*time.Second {
				t.Errorf("after %v", after)
			}
		})
	})
	t.Run("that send their body slowly are cut", func(t *testing.T) {
		serve(t, func(c net.Conn) {
			_, err := io.WriteString(c, "POST /v1/pipelines/billing/resume HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "+operates+"\r\nContent-Length: 99\r\n\r\n{")
			must(t, err)
			if after, text := cut(t, c); after > 11*time.Second || !strings.HasPrefix(text, "HTTP/1.1 400") {
				t.Errorf("after %v: %s", after, text)
			}
		})
	})
	t.Run("that are idle are closed", func(t *testing.T) {
		serve(t, func(c net.Conn) {
			_, err := io.WriteString(c, "GET /v1/halts HTTP/1.1\r\nHost: localhost\r\n\r\n")
			must(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			must(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			must(t, err)
			if after, _ := cut(t, c); resp.StatusCode != 200 || after != time.Minute {
				t.Errorf("%d, after %v", resp.StatusCode, after)
			}
		})
	})
	t.Run("that send many headers are refused", func(t *testing.T) {
		serve(t, func(c net.Conn) {
			go func() { // the server stops reading, so the write ends with the connection
				_, _ = io.WriteString(c, "GET /v1/halts HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 40<<10)+"\r\n\r\n")
			}()
			if _, text := cut(t, c); !strings.HasPrefix(text, "HTTP/1.1 431") {
				t.Errorf("%q", text)
			}
		})
	})
}

func TestHandler(t *testing.T) {
	t.Run("lets nobody in by itself, so it needs somebody who may", func(t *testing.T) {
		if _, err := admin.Handler([]*stream.Pipeline{built(t)}); err == nil || !strings.Contains(err.Error(), "no Token") {
			t.Errorf("Handler: %v", err)
		}
	})
	t.Run("refuses what is the server's, and a pipeline that was not built", func(t *testing.T) {
		for what, opts := range map[string][]admin.Option{"TLS and TokenFile": {admin.TokenFile("x")}, "Events(-1)": {admin.Events(-1)}} {
			if _, err := admin.Handler([]*stream.Pipeline{built(t)}, append(opts, tokens...)...); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := admin.Handler([]*stream.Pipeline{nil}, tokens...); err == nil || !strings.Contains(err.Error(), "pipeline 1 is nil") {
			t.Errorf("Handler: %v", err)
		}
	})
	t.Run("tells pipelines of one name apart", func(t *testing.T) {
		h, err := admin.Handler([]*stream.Pipeline{built(t), built(t)}, tokens...)
		must(t, err)
		desk{t, h}.refuses(200, `"id":"billing~2"`, http.MethodGet, "/v1/pipelines", reads, "")
		desk{t, h}.refuses(200, `"partitions":[]`, http.MethodGet, "/v1/pipelines/billing~2/partitions", reads, "")
	})
}

// served runs a server on this machine until f returns.
func served(t *testing.T, at *admin.Server, f func(url string)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- stream.Supervise(built(t)).Admin(at).Run(ctx) }()
	addr, err := at.Addr(t.Context())
	must(t, err)
	url := "http://" + addr.String()
	if resp, err := http.Get(url); err == nil {
		if resp.StatusCode == http.StatusBadRequest { // it speaks TLS
			url = "https://" + addr.String()
		}
		_ = resp.Body.Close()
	}
	f(url)
	http.DefaultClient.CloseIdleConnections()
	stop()
	must(t, <-ended)
}

func status(t *testing.T, c *http.Client, url, secret string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+secret)
	resp, err := c.Do(r)
	must(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	what := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, what, what, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	ca := &authority{cert, key, x509.NewCertPool()}
	ca.pool.AddCert(cert)
	return ca
}

func (ca *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	what := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, what, ca.cert, key.Public(), ca.key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pipes is a network in memory: what waits in it lets virtual time pass. As a handler it sends a
// request through it.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

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

// elsewhere is an address on a network.
type elsewhere struct{ *pipes }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7070} }

func (p *pipes) dial() (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("nobody listens")
	}
}

func (p *pipes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := p.dial()
	if err == nil {
		defer c.Close()
		err = r.Write(c)
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(c), r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
