package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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

// The secrets of those who call.
const (
	reads    = "reads-reads-reads-reads"
	operates = "operates-operates-operates"
)

var tokens = []admin.Option{admin.Token("rita", reads, admin.Read), admin.Token("olaf", operates, admin.Operate)}

// desk is an API that is asked in a test.
type desk struct {
	t *testing.T
	http.Handler
}

// ask sends a request and returns the answer. change may alter the request.
func (d desk) ask(method, path, secret, body string, change ...func(*http.Request)) (int, string, http.Header) {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost:7070"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Body)
	must(d.t, err)
	return w.Code, string(text), w.Header()
}

// get reads the answer to a GET into a body.
func (d desk) get(path, secret string, body any) {
	d.t.Helper()
	status, text, _ := d.ask(http.MethodGet, path, secret, "")
	if status != http.StatusOK {
		d.t.Fatalf("GET %s: %d: %s", path, status, text)
	}
	must(d.t, json.Unmarshal([]byte(text), body))
}

// refuses checks the status of a request, and what its answer says.
func (d desk) refuses(status int, says, method, path, secret, body string, change ...func(*http.Request)) {
	d.t.Helper()
	got, text, _ := d.ask(method, path, secret, body, change...)
	if got != status || !strings.Contains(text, says) {
		d.t.Errorf("%s %s: %d, want %d and %q: %s", method, path, got, status, says, text)
	}
}

// halt is what a caller knows of a halt.
type halt struct {
	Scope, ID, Pipeline, Topic, Key, Step, Error, Text, Resume, Skip, Stack, By string
	Partition, Attempts                                                         int
	Offset, Last                                                                int64
	Choose                                                                      bool
}

func (d desk) halts(secret string) []halt {
	d.t.Helper()
	var body struct{ Halts []halt }
	d.get("/v1/halts", secret, &body)
	return body.Halts
}

// event is what a caller knows of an event.
type event struct {
	Seq                                                            int64
	Level, Kind, Pipeline, Topic, Key, Step, Text, By, From, Stack string
	Partition                                                      *int
	Offset                                                         *int64
}

func (d desk) events(secret string) []event {
	d.t.Helper()
	var body struct{ Events []event }
	d.get("/v1/events", secret, &body)
	return body.Events
}

// worker is a pipeline under an API, with what the test has done.
type worker struct {
	desk
	log     *streamtest.Log[kafka.Message]
	p       *stream.Pipeline
	drained error // why
}

// bad halts its partition, until it is fixed.
const bad = "bad"

// halted is haltedBy with a handler that fails so many times; -1 is always.
func halted(t *testing.T, left int, opts []admin.Option, f func(w *worker)) {
	t.Helper()
	haltedBy(t, func() handler { return opstest.Failing(map[string]int{bad: left}) }, opts, f)
}

type handler = func(context.Context, kafka.Message) error

// haltedBy runs f beside a worker that has the record bad at offset 1 of partition 0 of 2, in
// virtual time, a minute after its start.
func haltedBy(t *testing.T, handle func() handler, opts []admin.Option, f func(w *worker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 2)
		opstest.Put(l, 0, "a", bad, "b")
		opstest.Put(l, 1, "c")
		chain := opstest.Orders.GroupByKey().Concurrent(2, handle(), stream.Named("charge")).HaltOnError().CommitEach()
		p, err := chain.Build(l.Source(), stream.Observe(), stream.Named("billing"), stream.BuildID(""))
		must(t, err)
		w := &worker{log: l, p: p}
		h, err := admin.Local([]*stream.Pipeline{p}, func(cause error) { w.drained = cause }, append(opts, tokens...)...)
		must(t, err)
		w.desk = desk{t, h}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		opstest.Pass(time.Minute)
		f(w)
		stop()
		must(t, <-ended)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// with returns a change of a request: a header, or its Host.
func with(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
			return
		}
		r.Header.Set(name, value)
	}
}
