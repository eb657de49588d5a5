package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// idle is an API over a pipeline that does not run.
func idle(t *testing.T, opts ...admin.Option) desk {
	t.Helper()
	h, err := admin.Local([]*stream.Pipeline{built(t)}, func(error) {}, append(opts, tokens...)...)
	must(t, err)
	return desk{t, h}
}

func built(t *testing.T) *stream.Pipeline {
	t.Helper()
	p, err := opstest.Orders.Serial(opstest.Failing(nil)).CommitEach().Build(streamtest.Kafka("orders", 1).Source(), stream.Named("billing"))
	must(t, err)
	return p
}

func TestToken(t *testing.T) {
	t.Run("is needed for changes", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			seen := by(w.halts("")[0])
			for _, path := range []string{pause, resume, skip, "/v1/drain"} {
				w.refuses(401, "scope operate", http.MethodPost, path, "", seen)
			}
		})
	})
	t.Run("of scope read changes nothing", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			seen := by(w.halts("")[0])
			for _, path := range []string{pause, resume, skip, "/v1/drain"} {
				w.refuses(403, "rita has the scope read", http.MethodPost, path, reads, seen)
			}
		})
	})
	t.Run("is needed for keys and stacks", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			for _, path := range []string{"/v1/halts", "/v1/events", "/v1/pipelines/billing/partitions", "/v1/pipelines/billing/partitions/orders/0"} {
				if _, text, _ := w.ask(http.MethodGet, path, "", ""); strings.Contains(text, "key-bad") {
					t.Errorf("%s shows a key to anybody: %s", path, text)
				}
			}
			if h := w.halts(reads)[0]; h.Key != "key-bad" {
				t.Errorf("it hides the key from rita: %+v", h)
			}
		})
		stacks := map[string]handler{
			"/v1/halts":  func(context.Context, kafka.Message) error { panic("oops") },
			"/v1/events": func(context.Context, kafka.Message) error { panic("oops") },
			"/v1/pipelines/billing/partitions/orders/0": func(context.Context, kafka.Message) error {
				time.Sleep(70 * time.Second)
				return nil
			},
		}
		for path, handle := range stacks {
			only := func(ctx context.Context, m kafka.Message) error {
				if string(m.Value) != bad {
					return nil
				}
				return handle(ctx, m)
			}
			haltedBy(t, func() handler { return only }, nil, func(w *worker) {
				for secret, want := range map[string]bool{"": false, reads: true} {
					if _, text, _ := w.ask(http.MethodGet, path, secret, ""); strings.Contains(text, "security_test.go") != want {
						t.Errorf("%s with the token %q: %s", path, secret, text)
					}
				}
			})
		}
	})
	t.Run("that is wrong is refused, for reads too", func(t *testing.T) {
		d := idle(t)
		d.refuses(401, "the token is wrong", http.MethodGet, "/v1/halts", "guess-guess-guess-guess", "")
		d.refuses(401, "the token is wrong", http.MethodGet, "/v1/halts", "", "", with("Authorization", "Basic "+reads))
	})
	t.Run("is asked for everything beyond loopback", func(t *testing.T) {
		h, err := admin.Handler([]*stream.Pipeline{built(t)}, tokens...)
		must(t, err)
		d := desk{t, h}
		d.refuses(401, "needs a token", http.MethodGet, "/v1/pipelines", "", "")
		d.refuses(200, "billing", http.MethodGet, "/v1/pipelines", reads, "")
	})
	t.Run("does not belong into a URL", func(t *testing.T) {
		d := idle(t)
		for _, name := range []string{"token", "access_token"} {
			d.refuses(400, "header Authorization", http.MethodGet, "/v1/halts?"+name+"="+reads, "", "")
		}
	})
	t.Run("that is wrong five times in a second is not looked at again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := idle(t)
			for i := range 5 {
				d.refuses(401, "wrong", http.MethodGet, "/v1/halts", fmt.Sprintf("guess-number-%d-of-mine", i), "")
			}
			status, _, header := d.ask(http.MethodGet, "/v1/halts", reads, "") // right, and not looked at
			if status != 429 || header.Get("Retry-After") != "1" {
				t.Errorf("the sixth: %d, %v", status, header)
			}
			elsewhere := func(r *http.Request) { r.RemoteAddr = "192.0.2.2:99" }
			d.refuses(200, "halts", http.MethodGet, "/v1/halts", reads, "", elsewhere)
			d.refuses(200, "halts", http.MethodGet, "/v1/halts", "", "")
			time.Sleep(time.Second)
			d.refuses(200, "halts", http.MethodGet, "/v1/halts", reads, "")
		})
	})
}

func TestGuesses(t *testing.T) {
	t.Run("at once are no more than five", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := idle(t)
			answers := make(chan int)
			for range 50 {
				go func() {
					status, _, _ := d.ask(http.MethodGet, "/v1/halts", "guess-guess-guess-guess", "")
					answers <- status
				}()
			}
			count := map[int]int{}
			for range 50 {
				count[<-answers]++
			}
			if count[401] != 5 || count[429] != 45 {
				t.Errorf("answers: %v", count)
			}
		})
	})
}

func TestHost(t *testing.T) {
	for host, want := range map[string]int{"localhost": 200, "LOCALHOST:7070": 200, "127.0.0.1:7070": 200, "[::1]:7070": 200, "ops.example.com": 200, "ops.example.com:99": 200,
		"evil.example.com": 421, "localhost.evil.example.com": 421, "10.0.0.7:7070": 421, "": 421} {
		t.Run(fmt.Sprintf("%q is answered with %d on loopback", host, want), func(t *testing.T) {
			d := idle(t, admin.Hosts("Ops.example.com"), admin.Pages(http.NotFoundHandler()))
			d.refuses(want, "", http.MethodGet, "/v1/halts", reads, "", with("Host", host))
			if want == 421 { // whatever the path
				d.refuses(want, "admin.Hosts", http.MethodGet, "/", reads, "", with("Host", host))
			}
		})
	}
	t.Run("is a name that is allowed, or an address, beyond loopback", func(t *testing.T) {
		h, err := admin.Handler([]*stream.Pipeline{built(t)}, append(tokens, admin.Hosts("ops.example.com"))...)
		must(t, err)
		d := desk{t, h}
		for host, want := range map[string]int{"10.0.0.7:7070": 200, "ops.example.com": 200, "evil.example.com": 421} {
			d.refuses(want, "", http.MethodGet, "/v1/halts", reads, "", with("Host", host))
		}
	})
}

func TestCrossSite(t *testing.T) {
	t.Run("writes of another origin are refused", func(t *testing.T) {
		d := idle(t)
		for _, change := range []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Site", "same-site"), with("Origin", "http://evil.example.com")} {
			d.refuses(403, "another origin", http.MethodPost, resume, operates, `{"halt":"x"}`, change)
		}
		for _, change := range []func(*http.Request){with("Sec-Fetch-Site", "same-origin"), with("Origin", "http://localhost:7070")} {
			d.refuses(409, "any more", http.MethodPost, resume, operates, `{"halt":"x"}`, change)
		}
	})
	t.Run("writes are JSON, which no form sends", func(t *testing.T) {
		d := idle(t)
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
			d.refuses(415, "application/json", http.MethodPost, resume, operates, `{"halt":"x"}`, with("Content-Type", kind))
		}
		d.refuses(409, "any more", http.MethodPost, resume, operates, `{"halt":"x"}`, with("Content-Type", "application/json; charset=utf-8"))
	})
	t.Run("no answer can be framed, sniffed, kept, or run a script of its own", func(t *testing.T) {
		d := idle(t, admin.Pages(http.NotFoundHandler()))
		for _, path := range []string{"/v1/halts", "/v1/nothing", "/"} {
			_, _, header := d.ask(http.MethodGet, path, "", "")
			csp := header.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
				if !strings.Contains(csp, part) {
					t.Errorf("%s: the policy lacks %s: %s", path, part, csp)
				}
			}
			if strings.Contains(csp, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" || header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %v", path, header)
			}
		}
	})
	t.Run("nothing changes by GET", func(t *testing.T) {
		halted(t, 1, nil, func(w *worker) {
			for _, path := range []string{pause, resume, skip, "/v1/drain"} {
				w.refuses(405, "POST alone", http.MethodGet, path+"?halt="+w.halts("")[0].ID, operates, "")
			}
			for _, route := range admin.Routes() {
				if method, _, _ := strings.Cut(route, " "); method != http.MethodGet && method != http.MethodPost {
					t.Errorf("%s", route)
				}
			}
			w.refuses(405, "GET alone", http.MethodPost, "/v1/halts", operates, "{}")
			w.refuses(405, "GET alone", http.MethodPost, "/v1/halts", operates, "", with("Content-Type", "text/plain"))
			if len(w.halts("")) != 1 || w.drained != nil {
				t.Error("something changed")
			}
		})
	})
}

func TestLimits(t *testing.T) {
	t.Run("a body has 4 KiB", func(t *testing.T) {
		idle(t).refuses(413, "larger than 4096", http.MethodPost, resume, operates, `{"halt":"`+strings.Repeat("x", 5000)+`"}`)
	})
}
