package adminapi_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is a server that answers as a process would.
func process(t *testing.T, addr, instance string, secure *tls.Config, handle http.HandlerFunc) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/process", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(adminapi.Process{Instance: instance})
	})
	if handle != nil {
		mux.HandleFunc("/", handle)
	}
	s := httptest.NewUnstartedServer(mux)
	must(t, s.Listener.Close())
	s.Listener = l
	if s.TLS = secure; secure != nil {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return l.Addr()
}

// port returns the port of an address, with a colon before it.
func port(a net.Addr) string { return fmt.Sprintf(":%d", a.(*net.TCPAddr).Port) }

// names resolves each name to its addresses.
func names(of map[string][]string) func(context.Context, string) ([]net.IPAddr, error) {
	return func(_ context.Context, host string) (ips []net.IPAddr, err error) {
		for _, ip := range of[host] {
			ips = append(ips, net.IPAddr{IP: net.ParseIP(ip)})
		}
		if ips == nil {
			return nil, errors.New("no such host")
		}
		return ips, nil
	}
}

func find(t *testing.T, c adminapi.Config) *adminapi.Fleet {
	t.Helper()
	c.Timeout = cmp.Or(c.Timeout, time.Minute) // for a machine that is busy
	f, err := adminapi.Find(t.Context(), c)
	must(t, err)
	t.Cleanup(f.Close)
	return f
}

// fails checks the error of the only replica.
func fails(t *testing.T, f *adminapi.Fleet, says string) {
	t.Helper()
	if len(f.Replicas) != 1 || f.Replicas[0].Err == nil || !strings.Contains(f.Replicas[0].Err.Error(), says) {
		t.Errorf("want %q: %+v", says, f.Replicas)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Run("finds all replicas of a name, and reports those that do not answer", func(t *testing.T) {
		at := process(t, "127.0.0.1:0", "one", nil, nil)
		process(t, "127.0.0.2"+port(at), "two", nil, nil)
		resolve := names(map[string][]string{"billing": {"127.0.0.3", "127.0.0.2", "127.0.0.1", "::1"}})
		f := find(t, adminapi.Config{At: []string{"http://billing" + port(at)}, Resolve: resolve})
		if len(f.Replicas) != 3 || f.Replicas[0].Process.Instance != "one" || f.Replicas[1].Process.Instance != "two" || f.Replicas[2].Err == nil {
			t.Fatalf("replicas: %+v", f.Replicas)
		}
		if as := f.Ask(t.Context(), (*adminapi.Client).Process); len(as) != 2 || as[1].Value.Instance != "two" {
			t.Errorf("answers: %+v", as)
		}
	})
	t.Run("has a process once that has several addresses", func(t *testing.T) {
		at := process(t, "127.0.0.1:0", "one", nil, nil)
		process(t, "127.0.0.2"+port(at), "one", nil, nil)
		f := find(t, adminapi.Config{At: []string{"127.0.0.1" + port(at), "http://127.0.0.1" + port(at) + "/", "127.0.0.2" + port(at)}})
		if len(f.Replicas) != 1 {
			t.Errorf("replicas: %+v", f.Replicas)
		}
	})
	t.Run("refuses invalid addresses and unknown names", func(t *testing.T) {
		for at, says := range map[string]string{
			"":                       "no address",
			"http://":                "no address",
			"ftp://x:1":              "the scheme ftp",
			"http://x:1/v1":          "no address",
			"http://olaf:secret@x:1": "no address",
			"nobody:7070":            "finding the addresses of nobody: no such host",
		} {
			if _, err := adminapi.Find(t.Context(), adminapi.Config{At: []string{at}, Resolve: names(nil)}); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: %v", at, err)
			}
		}
		if _, err := adminapi.Find(t.Context(), adminapi.Config{}); err == nil {
			t.Error("it found somebody without an address")
		}
	})
	t.Run("verifies a certificate for the name, not the address", func(t *testing.T) {
		certified := httptest.NewUnstartedServer(nil)
		certified.StartTLS() // its certificate is for example.com, 127.0.0.1 and ::1
		trusted := x509.NewCertPool()
		trusted.AddCert(certified.Certificate())
		secure := &tls.Config{Certificates: certified.TLS.Certificates}
		certified.Close()
		at := process(t, "127.0.0.2:0", "one", secure, nil)
		resolve := names(map[string][]string{"example.com": {"127.0.0.2"}, "elsewhere.org": {"127.0.0.2"}})
		f := find(t, adminapi.Config{At: []string{"example.com" + port(at)}, Resolve: resolve, TLS: &tls.Config{RootCAs: trusted}})
		if f.Replicas[0].Err != nil {
			t.Error(f.Replicas[0].Err)
		}
		fails(t, find(t, adminapi.Config{At: []string{"example.com" + port(at)}, Resolve: resolve}), "certificate signed by unknown authority")
		fails(t, find(t, adminapi.Config{At: []string{"elsewhere.org" + port(at)}, Resolve: resolve, TLS: &tls.Config{RootCAs: trusted}}), "not elsewhere.org")
	})
	t.Run("sends a token beyond loopback over TLS only, unless http is asked for", func(t *testing.T) {
		at := process(t, "127.0.0.2:0", "one", nil, nil)
		resolve := names(map[string][]string{"billing": {"127.0.0.2"}})
		fails(t, find(t, adminapi.Config{At: []string{"billing" + port(at)}, Resolve: resolve, Token: "secret"}), "HTTP response to HTTPS client")
		if f := find(t, adminapi.Config{At: []string{"http://billing" + port(at)}, Resolve: resolve, Token: "secret"}); f.Replicas[0].Err != nil {
			t.Error(f.Replicas[0].Err)
		}
	})
}

func TestClient(t *testing.T) {
	asked := func(t *testing.T, handle http.HandlerFunc) error {
		at := process(t, "127.0.0.1:0", "one", nil, handle)
		f := find(t, adminapi.Config{At: []string{at.String()}, Token: "secret"})
		_, err := f.Replicas[0].Pipelines(t.Context())
		if err == nil {
			t.Fatal("there is no error")
		}
		return err
	}
	t.Run("follows no redirect, which would get the token", func(t *testing.T) {
		thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("the thief got %s", r.Header.Get("Authorization"))
		}))
		defer thief.Close()
		err := asked(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		})
		if !strings.Contains(err.Error(), "307") {
			t.Error(err)
		}
	})
	t.Run("reads no more than a bounded answer", func(t *testing.T) {
		err := asked(t, func(w http.ResponseWriter, _ *http.Request) {
			for block := []byte(strings.Repeat(" ", 1<<20)); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		})
		if !strings.Contains(err.Error(), "larger than") {
			t.Error(err)
		}
	})
	t.Run("waits no longer than its time-out", func(t *testing.T) {
		release := make(chan struct{})
		at := process(t, "127.0.0.1:0", "one", nil, func(http.ResponseWriter, *http.Request) { <-release })
		defer close(release)
		f := find(t, adminapi.Config{At: []string{at.String()}, Timeout: time.Second})
		if _, err := f.Replicas[0].Halts(t.Context()); err == nil || err.Error() != "no answer within 1s" {
			t.Error(err)
		}
	})
	t.Run("distinguishes a refusal from an answer of another server", func(t *testing.T) {
		err := asked(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(adminapi.Problem{Status: http.StatusConflict, Detail: "somebody was faster"})
		})
		if p, is := errors.AsType[*adminapi.Problem](err); !is || p.Status != 409 || p.Error() != "somebody was faster" {
			t.Error(err)
		}
		err = asked(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
		if _, is := errors.AsType[*adminapi.Problem](err); is || !strings.Contains(err.Error(), "502") {
			t.Error(err)
		}
		err = asked(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
		if !strings.Contains(err.Error(), "not one of an admin API") {
			t.Error(err)
		}
	})
	t.Run("escapes what is in a path", func(t *testing.T) {
		const odd = "a/b ?%"
		at := process(t, "127.0.0.1:0", "one", nil, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/pipelines/"+odd+"/partitions/"+odd+"/3" || r.URL.Query().Get("source") != odd {
				t.Errorf("URL: %s", r.URL)
			}
			fmt.Fprint(w, "{}")
		})
		f := find(t, adminapi.Config{At: []string{at.String()}})
		_, err := f.Replicas[0].Explain(t.Context(), odd, adminapi.Partition{Source: odd, Topic: odd, Partition: 3})
		must(t, err)
	})
}
