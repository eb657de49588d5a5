package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// Server serves the API at an address of its own: see At.
type Server struct {
	addr   string
	opts   []Option
	stderr io.Writer
	bind   func(network, addr string) (net.Listener, error)

	bound chan struct{} // closed once at and deaf are set
	at    net.Addr
	deaf  error
}

// At makes an API for stream.Supervisor.Admin, at host:port; empty is 127.0.0.1:7070, and port 0
// takes a free port, which Addr returns. Beyond loopback it needs TLS or InsecurePlaintext, or Run
// fails with a *stream.BuildError. A Server is for one Run.
func At(addr string, opts ...Option) *Server {
	return &Server{addr: cmp.Or(addr, "127.0.0.1:7070"), opts: opts, stderr: os.Stderr, bind: net.Listen, bound: make(chan struct{})}
}

// Addr waits until the API listens, and returns its address, or the reason why there is none.
func (s *Server) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-s.bound:
		return s.at, s.deaf
	case <-ctx.Done():
		return nil, fmt.Errorf("the admin API does not listen yet: %w", context.Cause(ctx))
	}
}

// Listen is for stream.Supervisor.
func (s *Server) Listen(ps []*stream.Pipeline, drain func(cause error)) (func(context.Context) error, error) {
	defer close(s.bound)
	serve, err := s.listen(ps, drain)
	s.deaf = err
	return serve, err
}

func (s *Server) listen(ps []*stream.Pipeline, drain func(cause error)) (func(context.Context) error, error) {
	c := newConfig(s.opts)
	local := s.local()
	c.beyond(local, s.addr)
	if err := c.fault(); err != nil {
		return nil, err
	}
	made, err := c.makeToken()
	if err != nil {
		return nil, err
	}
	a, err := newAPI(c, ps)
	if err != nil {
		return nil, err
	}
	a.drain, a.local = drain, local
	l, err := s.bind("tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("admin.At(%q): %w", s.addr, err)
	}
	s.at = l.Addr()
	if ip, is := s.at.(*net.TCPAddr); is && local && !ip.IP.IsLoopback() { // by a strange hosts file
		return nil, errors.Join(l.Close(), &stream.BuildError{Code: "LW150", Step: "admin", What: fmt.Sprintf("At(%q) is %v, which can be reached from other machines", s.addr, ip),
			Fix: "use 127.0.0.1"})
	}
	s.announce(c, made)
	return func(ctx context.Context) error { return s.serve(ctx, l, c, a) }, nil
}

// local reports whether the address can be reached from this machine alone.
func (s *Server) local() bool {
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		return true // net.Listen says what is wrong with it
	}
	return isLocal(host)
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// beyond refuses what would show secrets to a network.
func (c *config) beyond(local bool, addr string) {
	if !local && c.tls == nil && !c.plaintext {
		c.refuse(fmt.Sprintf("At(%q) can be reached from other machines, and has no TLS", addr),
			"use 127.0.0.1, or TLS, or InsecurePlaintext if something else encrypts")
	}
	if c.tls != nil && len(c.tls.Certificates) == 0 && c.tls.GetCertificate == nil && c.tls.GetConfigForClient == nil {
		c.refuse("the TLS config has no certificate", "set Certificates or GetCertificate")
	}
	if len(c.subjects) > 0 && (c.tls == nil || c.tls.ClientCAs == nil && c.tls.GetConfigForClient == nil) {
		c.refuse("no client certificate would be verified", "give TLS a config with ClientCAs and ClientAuth")
	}
}

// makeToken makes a token if no caller could get in without one.
func (c *config) makeToken() (secret string, err error) {
	if len(c.tokens)+len(c.subjects) > 0 {
		return "", nil
	}
	secret = rand.Text()
	Token("operator", secret, Operate)(c)
	c.made = true
	if c.tokenFile == "" {
		return secret, nil
	}
	if err := os.Remove(c.tokenFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("admin.TokenFile: %w", err)
	}
	f, err := os.OpenFile(c.tokenFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // not through a link that somebody else has laid
	if err != nil {
		return "", fmt.Errorf("admin.TokenFile: %w", err)
	}
	_, err = fmt.Fprintln(f, secret)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("admin.TokenFile: %w", err)
	}
	return secret, nil
}

// announce says where the API is, and with which token, which no log gets to see.
func (s *Server) announce(c *config, made string) {
	url := "http://" + s.at.String()
	if c.tls != nil {
		url = "https://" + s.at.String()
	}
	switch {
	case made == "":
	case c.tokenFile != "":
		fmt.Fprintf(s.stderr, "admin: %s, token in %s\n", url, c.tokenFile)
	default:
		fmt.Fprintf(s.stderr, "admin: %s, token %s\n", url, made)
	}
	c.log.Info("admin listens", slog.String("url", url))
}

// serve serves until ctx ends, and a second longer for requests in flight.
func (s *Server) serve(ctx context.Context, l net.Listener, c *config, a *api) error {
	server := &http.Server{Handler: a, TLSConfig: c.tls, MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug)}
	var wg conc.WaitGroup
	defer a.peers.close()
	defer wg.Wait()
	ended, end := context.WithCancel(ctx)
	defer end()
	wg.Go(func() { a.sample(ended) })
	wg.Go(func() {
		<-ended.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // open requests are cut off: the process ends
		}
	})
	var err error
	if c.tls != nil {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving the admin API at %s: %w", s.addr, err)
}
