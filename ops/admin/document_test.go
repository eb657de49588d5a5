package admin_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
)

// checked holds each answer to the document, and notes which it has seen.
type checked struct {
	t      *testing.T
	router routers.Router
	seen   map[string]bool // "GET /v1/halts 200"
	http.Handler
}

func (c checked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	c.Handler.ServeHTTP(rec, r)
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		c.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		return
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), answer); err != nil {
		c.t.Errorf("%s %s: %d: %v\n%s", r.Method, r.URL, rec.Code, err, rec.Body)
	}
	c.seen[fmt.Sprintf("%s %s %d", r.Method, route.Path, rec.Code)] = true
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func TestDocument(t *testing.T) {
	raw, err := os.ReadFile("openapi.json")
	must(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	must(t, err)
	must(t, doc.Validate(t.Context()))
	router, err := legacy.NewRouter(doc)
	must(t, err)
	documented, routes := map[string]bool{}, map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			routes[method+" "+path] = true
			for status := range op.Responses.Map() {
				documented[method+" "+path+" "+status] = true
			}
		}
	}

	t.Run("is served", func(t *testing.T) {
		_, text, _ := idle(t).ask(http.MethodGet, "/v1/openapi.json", "", "")
		if strings.Join(strings.Fields(text), "") != strings.Join(strings.Fields(string(raw)), "") {
			t.Errorf("served: %s", text)
		}
	})
	t.Run("has the handlers' paths and methods", func(t *testing.T) {
		if got := slices.Sorted(maps.Keys(routes)); !slices.Equal(got, admin.Routes()) {
			t.Errorf("documented: %v\nhandled: %v", got, admin.Routes())
		}
	})
	t.Run("has each answer that there is, and no other", func(t *testing.T) {
		answered := map[string]bool{}
		check := func(d desk) desk { return desk{d.t, checked{d.t, router, answered, d.Handler}} }
		large := map[string]int{pauseAll: 5 << 20, resumeMany: 1 << 20}
		refused := func(d desk, path, body string) { // what each handler answers
			method := http.MethodGet
			if body != "" {
				method = http.MethodPost
				d.ask(method, path, operates, body, with("Content-Type", "text/plain"))
				d.ask(method, path, operates, body, with("Origin", "http://evil.example.com"))
				d.ask(method, path, operates, strings.Repeat(" ", max(large[path], 40000))+body)
			}
			d.ask(method, path+"?nothing=1", operates, body)
			d.ask(method, path, "wrong-wrong-wrong-wrong", body)
			d.ask(method, path, operates, body, with("Host", "evil.example.com"))
		}
		const history, one, lanes, record = "/v1/pipelines/billing/history", "/v1/pipelines/billing/partitions/orders/0", "/v1/pipelines/billing/partitions/orders/0/lanes", "/v1/pipelines/billing/record"
		reading := []string{"/v1/process", "/v1/replicas", "/v1/pipelines", "/v1/pipelines/billing/partitions", history, one, lanes, record, "/v1/halts", "/v1/events", "/v1/openapi.json"}
		panics := func(_ context.Context, m kafka.Message) error {
			if string(m.Value) == bad {
				panic("oops")
			}
			return nil
		}
		haltedBy(t, func() handler { return panics }, []admin.Option{admin.Previews(nil)}, func(w *worker) {
			d, is := check(w.desk), w.halts("")[0]
			for _, path := range reading {
				d.ask(http.MethodGet, path, "", "")
				d.ask(http.MethodGet, path, reads, "")
				refused(idleOf(d, idle(t)), path, "")
			}
			d.ask(http.MethodGet, record+"?halt="+is.ID, reads, "")
			d.ask(http.MethodGet, "/v1/pipelines/other/partitions", "", "")
			d.ask(http.MethodGet, "/v1/pipelines/other/history", "", "")
			opstest.Pass(time.Minute)
			d.ask(http.MethodGet, history, "", "") // with a sample
			d.ask(http.MethodGet, "/v1/pipelines/billing/partitions/orders/none", "", "")
			d.ask(http.MethodGet, "/v1/pipelines/billing/partitions/orders/none/lanes", "", "")
			for path, body := range map[string]string{pause: seen(1, 9), pauseAll: all([]string{seen(1, 9)}, ""), park: `{"topic":"orders","partition":1,"epoch":9,"key":"a"}`, resume: by(is), resumeMany: these(is.ID), skip: by(is), "/v1/drain": `{"instance":"another"}`,
				degree: `{"step":"charge","seen":9,"degree":1}`, rate: `{"seen":9,"perSecond":1}`} {
				refused(idleOf(d, idle(t)), path, body)
				d.ask(http.MethodPost, path, "", body)
				d.ask(http.MethodPost, path, reads, body)
				d.ask(http.MethodPost, strings.Replace(path, "billing", "other", 1), operates, body)
			}
			for range 2 { // the second is refused
				d.ask(http.MethodPost, pause, operates, seen(1, 1))
				d.ask(http.MethodPost, park, operates, `{"topic":"orders","partition":1,"epoch":1,"key":"a"}`)
			}
			d.ask(http.MethodPost, pause, operates, seen(1, 9))
			d.ask(http.MethodPost, pauseAll, operates, all([]string{seen(0, 1), seen(1, 1)}, ""))
			for path, bodies := range map[string][]string{
				degree: {`{"step":"charge","seen":2,"degree":1}`, `{"step":"charge","seen":2,"degree":1}`, `{"step":"charge","seen":1,"degree":0}`, `{"step":"charge"}`},
				rate:   {`{"seen":0,"perSecond":1}`, `{"seen":0,"perSecond":1}`, `{"seen":1,"perSecond":1e-9}`, `{"seen":0}`},
			} {
				for _, body := range bodies {
					d.ask(http.MethodPost, path, operates, body)
				}
			}
			d.ask(http.MethodGet, "/v1/pipelines", reads, "")
			d.ask(http.MethodPost, rate, operates, `{"seen":1,"perSecond":0}`)
			d.ask(http.MethodPost, park, operates, `{"topic":"orders","partition":1,"epoch":9,"key":"a"}`)
			d.ask(http.MethodGet, "/v1/halts", reads, "")
			d.ask(http.MethodPost, resume, operates, `{"halt":"gone"}`)
			d.ask(http.MethodPost, skip, operates, `{"halt":"gone"}`)
			d.ask(http.MethodPost, resumeMany, operates, these("gone"))
			d.ask(http.MethodPost, skip, operates, `{"halt":"`+is.ID+`","from":9,"to":9}`)
			d.ask(http.MethodPost, resume, operates, by(is))
			opstest.Pass(time.Second) // it fails again
			d.ask(http.MethodPost, skip, operates, by(w.halts("")[0]))
			var proc struct{ Instance string }
			w.get("/v1/process", "", &proc)
			d.ask(http.MethodPost, "/v1/drain", operates, `{"instance":"`+proc.Instance+`"}`)
			d.ask(http.MethodGet, "/v1/events", reads, "")
			for range 6 { // wrong tokens
				for _, path := range append(reading, pause, pauseAll, park, resume, resumeMany, skip, degree, rate, "/v1/drain") {
					method := http.MethodGet
					if !slices.Contains(reading, path) {
						method = http.MethodPost
					}
					d.ask(method, path, "wrong-wrong-wrong-wrong", "{}")
				}
			}
		})
		halted(t, -1, []admin.Option{admin.Previews(func(any) string { panic("no order") })}, func(w *worker) {
			check(w.desk).ask(http.MethodGet, record+"?halt="+w.halts("")[0].ID, reads, "")
		})
		h, err := admin.Handler([]*stream.Pipeline{built(t)}, tokens...)
		must(t, err)
		d := check(desk{t, h})
		d.ask(http.MethodPost, "/v1/drain", operates, `{"instance":"x"}`)
		d.ask(http.MethodGet, record+"?halt=x", reads, "")
		for _, path := range reading {
			d.ask(http.MethodGet, path, reads, "") // of what does not run
		}
		if got, want := slices.Sorted(maps.Keys(answered)), slices.Sorted(maps.Keys(documented)); !slices.Equal(got, want) {
			for _, one := range want {
				if !answered[one] {
					t.Errorf("documented, and not seen: %s", one)
				}
			}
		}
	})
}

// idleOf has d ask another API.
func idleOf(d desk, other desk) desk {
	c := d.Handler.(checked)
	c.Handler = other.Handler
	return desk{d.t, c}
}
