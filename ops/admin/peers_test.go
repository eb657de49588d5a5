package admin_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// fleet runs workers, each with all of them as peers, and one more that nobody has started.
type fleet struct {
	t     *testing.T
	addrs []string
	dead  string
}

func newFleet(t *testing.T, n int, f func(fleet)) {
	t.Helper()
	const dead = "127.0.0.1:1"
	all := make([]string, n+1) // an address is known once its worker listens, and needed later
	for i := range all {
		all[i] = dead
	}
	fl := fleet{t, all[:n], dead}
	peers := admin.Peers(all...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error)
	for i := range fl.addrs {
		l := streamtest.Kafka("orders", 2)
		opstest.Put(l, 0, "a", bad)
		halts := make(chan struct{}, 10)
		p, err := opstest.Orders.GroupByKey().Concurrent(2, badOnce(), stream.Named("charge")).HaltOnError().CommitEach().
			Build(l.Source(), stream.Named("billing"), stream.BuildID(""), stream.Observe(stream.Observer{Event: func(e stream.Event) {
				if _, is := e.(stream.Halted); is {
					halts <- struct{}{}
				}
			}}))
		must(t, err)
		at := admin.At("127.0.0.1:0", append(tokens, peers)...)
		go func() { ended <- stream.Supervise(p).Admin(at).Run(ctx) }()
		addr, err := at.Addr(t.Context())
		must(t, err)
		fl.addrs[i] = addr.String()
		<-halts
	}
	f(fl)
	stop()
	for range fl.addrs {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			must(t, err)
		}
	}
}

// badOnce fails the first attempt of bad.
func badOnce() handler {
	var tried atomic.Bool
	return func(_ context.Context, m kafka.Message) error {
		if string(m.Value) == bad && !tried.Swap(true) {
			return errors.New("no")
		}
		return nil
	}
}

// ask asks the first worker.
func (f fleet) ask(method, path, token, body string, change ...func(*http.Request)) (int, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.addrs[0]+path, strings.NewReader(body))
	must(f.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, c := range change {
		c(r)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	must(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return resp.StatusCode, string(text)
}

func at(addr, path string) string { return "/v1/replicas/" + url.PathEscape(addr) + path }

func TestPeers(t *testing.T) {
	t.Run("are listed, with the one that does not answer", func(t *testing.T) {
		newFleet(t, 2, func(f fleet) {
			_, text := f.ask(http.MethodGet, "/v1/replicas", reads, "")
			var list struct {
				Replicas []struct {
					Addr, Error string
					Self        bool
					Process     *struct{ You struct{ Name string } }
				}
			}
			must(t, json.Unmarshal([]byte(text), &list))
			for _, r := range list.Replicas {
				if r.Addr == f.dead && (r.Process != nil || !strings.Contains(r.Error, "connection refused")) ||
					r.Addr != f.dead && (r.Process == nil || r.Process.You.Name != "rita") || r.Self != (r.Addr == f.addrs[0]) {
					t.Errorf("replicas: %s", text)
				}
			}
			if len(list.Replicas) != 3 {
				t.Errorf("replicas: %s", text)
			}
		})
	})
	t.Run("answer through each other, to the token of the caller", func(t *testing.T) {
		newFleet(t, 2, func(f fleet) {
			other := f.addrs[1]
			status, text := f.ask(http.MethodGet, at(other, "/halts"), reads, "")
			var body struct{ Halts []halt }
			must(t, json.Unmarshal([]byte(text), &body))
			if status != 200 || len(body.Halts) != 1 || body.Halts[0].Key != "key-bad" {
				t.Fatalf("halts: %d %s", status, text)
			}
			if _, text := f.ask(http.MethodGet, at(other, "/halts"), "", ""); strings.Contains(text, "key-bad") {
				t.Errorf("without a token: %s", text)
			}
			for token, want := range map[string]int{"": 401, "wrong-wrong-wrong-wrong": 401, reads: 403, operates: 200} {
				if status, text := f.ask(http.MethodPost, at(other, "/pipelines/billing/resume"), token, by(body.Halts[0])); status != want {
					t.Errorf("resume with %q: %d %s", token, status, text)
				}
			}
			if _, text := f.ask(http.MethodGet, at(other, "/events"), reads, ""); !regexp.MustCompile(`"from":"127.0.0.1:\d+ for 127.0.0.1:\d+"`).MatchString(text) {
				t.Errorf("events: %s", text)
			}
			if status, text := f.ask(http.MethodPost, at(other, "/pipelines/billing/resume"), operates, by(body.Halts[0])); status != 409 {
				t.Errorf("resume again: %d %s", status, text)
			}
		})
	})
	t.Run("are those of the configuration, and paths those of the API", func(t *testing.T) {
		newFleet(t, 1, func(f fleet) {
			for path, want := range map[string]int{
				at(f.dead, "/halts"):                    502,
				at("127.0.0.1:2", "/halts"):             404,
				at("example.com", "/halts"):             404,
				at(f.addrs[0], "/metrics"):              404,
				at(f.addrs[0], "/../metrics"):           404,
				at(f.addrs[0], "/%2e%2e/metrics"):       404,
				at(f.addrs[0], "/replicas"):             404,
				at(f.addrs[0], at(f.addrs[0], "/x")):    404,
				at(f.addrs[0], "/halts?token=secret"):   400,
				at(f.addrs[0], "/pipelines/a%2Fb/skip"): 405,
			} {
				if status, text := f.ask(http.MethodGet, path, reads, ""); status != want {
					t.Errorf("%s: %d, want %d: %s", path, status, want, text)
				}
			}
			for what, want := range map[string]func(*http.Request){
				"another origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example.com") },
				"plain text":     func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
				"another host":   func(r *http.Request) { r.Host = "evil.example.com" },
			} {
				if status, text := f.ask(http.MethodPost, at(f.addrs[0], "/drain"), operates, "{}", want); status < 400 || status == 409 {
					t.Errorf("%s: %d %s", what, status, text)
				}
			}
			if status, text := f.ask(http.MethodPost, at(f.addrs[0], "/drain"), operates, strings.Repeat(" ", 5000)); status != 413 {
				t.Errorf("a large body: %d %s", status, text)
			}
			if status, text := f.ask(http.MethodPost, at(f.addrs[0], "/pipelines/billing/resume-many"), operates, these(slices.Repeat([]string{"gone"}, 1000)...)); status != 200 {
				t.Errorf("many halts: %d %.200s", status, text)
			}
		})
	})
	t.Run("that are none of its own leave a process alone in the list", func(t *testing.T) {
		_, text, _ := idle(t).ask(http.MethodGet, "/v1/replicas", reads, "")
		if !strings.Contains(text, `"self":true`) || strings.Count(text, `"addr"`) != 1 {
			t.Errorf("replicas: %s", text)
		}
	})
	t.Run("are refused without an address", func(t *testing.T) {
		err := stream.Supervise(built(t)).Admin(admin.At("127.0.0.1:0", admin.Peers())).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "Peers was given no address") {
			t.Errorf("Run: %v", err)
		}
	})
	t.Run("are verified over TLS by name", func(t *testing.T) {
		ca := newAuthority(t)
		server := admin.TLS(&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "worker")}})
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool}}}
		for says, trust := range map[string]*x509.CertPool{`"self":true`: ca.pool, "unknown authority": x509.NewCertPool()} {
			peer := []string{"https://127.0.0.1:1"}
			served(t, admin.At("127.0.0.1:0", append(tokens, server, admin.Peers(peer...), admin.PeersTLS(&tls.Config{RootCAs: trust}))...).On(io.Discard, nil), func(url string) {
				peer[0] = url
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/replicas", nil)
				must(t, err)
				r.Header.Set("Authorization", "Bearer "+reads)
				resp, err := client.Do(r)
				must(t, err)
				text, err := io.ReadAll(resp.Body)
				must(t, errors.Join(err, resp.Body.Close()))
				if addr := strings.TrimPrefix(url, "https://"); !strings.Contains(string(text), says) || !strings.Contains(string(text), addr) {
					t.Errorf("want %s of %s: %s", says, addr, text)
				}
			})
		}
	})
}
