package demo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
)

// receiver accepts spans like a collector: OTLP over HTTP.
type receiver struct {
	mu    sync.Mutex // guards spans
	spans map[string][]*otlp.Span
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	got := new(collector.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(body, got)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(req.URL, err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	for _, rs := range got.ResourceSpans {
		service := ""
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			r.spans[service] = append(r.spans[service], ss.Spans...)
		}
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
	out, _ := proto.Marshal(new(collector.ExportTraceServiceResponse))
	_, _ = w.Write(out)
}

// traced seeds and handles records of tracing producers.
func traced(t *testing.T, look func(d *demo.Demo)) demo.Program {
	return demo.Program{Name: "traced", Partitions: 1, Run: func(ctx context.Context, d *demo.Demo) error {
		if _, err := d.SeedTraced(ctx, demo.Numbered(20, 0)...); err != nil {
			return err
		}
		err := d.Run(ctx, source.Kafka(d.Kafka).Serial(func(context.Context, kafka.Message) error { return nil }).CommitEvery(20, time.Second))
		look(d)
		return err
	}}
}

func TestTelemetry(t *testing.T) {
	t.Run("sends spans to a collector", func(t *testing.T) {
		got := &receiver{spans: map[string][]*otlp.Span{}}
		server := httptest.NewServer(got)
		defer server.Close()
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
		var out bytes.Buffer
		if err := traced(t, func(*demo.Demo) {}).Demonstrate(t.Context(), &out, nil, false, ""); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		sent, continued := map[string]bool{}, 0
		for _, s := range got.spans["laneway-traced"] {
			if s.Kind == otlp.Span_SPAN_KIND_PRODUCER {
				sent[string(s.TraceId)+string(s.SpanId)] = true
			}
		}
		for _, s := range got.spans["laneway-traced"] {
			if s.Kind == otlp.Span_SPAN_KIND_CONSUMER && sent[string(s.TraceId)+string(s.ParentSpanId)] && strings.HasPrefix(s.Name, "process traced-") {
				continued++
			}
		}
		if continued != 20 {
			t.Errorf("%d of 20 records arrived with their producer's trace; %d spans of %d producers arrived", continued, len(got.spans["laneway-traced"]), len(sent))
		}
	})
	t.Run("serves metrics at the given address", func(t *testing.T) {
		var out bytes.Buffer
		body := ""
		err := traced(t, func(d *demo.Demo) {
			url := regexp.MustCompile(`http://\S+/metrics`).FindString(out.String())
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Error(err)
			}
			body = string(b)
			http.DefaultClient.CloseIdleConnections()
		}).Demonstrate(t.Context(), &out, nil, false, "127.0.0.1:0")
		if err != nil || !regexp.MustCompile(`(?m)^laneway_records_handled_total\{.*topic="traced-.*"} 20$`).MatchString(body) {
			t.Errorf("%v\n%s\n%s", err, &out, body)
		}
	})
}
