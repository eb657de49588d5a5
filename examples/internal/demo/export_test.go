package demo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestSpans(t *testing.T) {
	// OTLP's exporter drops a whole batch of spans for one string that is not UTF-8.
	t.Run("of a record with invalid UTF-8 are exported", func(t *testing.T) {
		var exported atomic.Int64
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { exported.Add(r.ContentLength) }))
		defer collector.Close()
		before := otel.GetErrorHandler()
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { t.Error(err) }))
		defer otel.SetErrorHandler(before)
		exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithInsecure(),
			otlptracehttp.WithEndpoint(strings.TrimPrefix(collector.URL, "http://")))
		if err != nil {
			t.Fatal(err)
		}
		tracers := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
		err = source.Slice(kafka.Message{Key: []byte("\xff"), Value: []byte("\xff\xfe\xe2(")}, kafka.Message{Value: []byte("good")}).
			Serial(func(_ context.Context, m kafka.Message) error {
				if string(m.Value) != "good" {
					return fmt.Errorf("cannot decode %s", m.Value)
				}
				return nil
			}).
			SkipOnError().
			CommitEach().
			Run(t.Context(), stream.Observe(oteltrace.To(tracers)))
		if err != nil {
			t.Error(err)
		}
		if err := tracers.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if exported.Load() == 0 {
			t.Error("no span reached the collector")
		}
	})
}
