package bench

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/ops/zaplog"
	"github.com/laneway-go/laneway/stream"
)

// BenchmarkObserved measures the cost of observers per record of a keyed worker, 64 at a time, with
// a handler that does nothing. +cpu-ns/elem is relative to the same worker without observers. None
// compares that worker with itself, which shows the noise.
func BenchmarkObserved(b *testing.B) {
	for _, c := range []struct {
		name string
		opts func() []stream.Option
	}{
		{"none", func() []stream.Option { return nil }},
		{"log", func() []stream.Option {
			return []stream.Option{stream.Observe(zaplog.To(zap.New(zapcore.NewNopCore())))}
		}},
		{"metrics", func() []stream.Option { return []stream.Option{measured(prometheus.NewRegistry())} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			took := byTurns(b, func() time.Duration { return observed(b, noop) }, func() time.Duration { return observed(b, noop, c.opts()...) })
			b.ReportMetric(perElem(b, took[0]), "none-cpu-ns/elem")
			b.ReportMetric(perElem(b, took[1]-took[0]), "+cpu-ns/elem")
			b.ReportMetric(float64(took[1])/float64(took[0]), "x")
		})
	}
}

// BenchmarkNotSampled measures tracing while the sampler rejects everything. x is its cost relative
// to the SDK's own Start and header extraction in the handler of the same worker.
func BenchmarkNotSampled(b *testing.B) {
	tp := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	took := byTurns(b,
		func() time.Duration { return observed(b, noop) },
		func() time.Duration { return observed(b, byHand(tp)) },
		func() time.Duration { return observed(b, noop, stream.Observe(oteltrace.To(tp))) })
	b.ReportMetric(perElem(b, took[1]-took[0]), "sdk-cpu-ns/elem")
	b.ReportMetric(perElem(b, took[2]-took[0]), "+cpu-ns/elem")
	b.ReportMetric(float64(took[2]-took[0])/float64(took[1]-took[0]), "x")
}

// byTurns returns the least processor time of each func.
func byTurns(b *testing.B, fs ...func() time.Duration) []time.Duration {
	took := make([]time.Duration, len(fs))
	b.ResetTimer()
	for n := range *rounds {
		for i, f := range fs {
			if d := f(); n == 0 || d < took[i] {
				took[i] = d
			}
		}
	}
	return took
}

// observed returns the processor time of a keyed worker over b.N records that carry a trace.
func observed(b *testing.B, handle func(context.Context, kafka.Message) error, opts ...stream.Option) time.Duration {
	b.Helper()
	f := newFeed(b.N)
	f.headers = traced
	runtime.GC()
	start := cpu()
	run(b, keyed(f.stream(), 64, handle), opts...)
	return cpu() - start
}

// traced is the header of a tracing producer that samples nothing.
var traced = []kafka.Header{{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")}}

// byHand traces like a handler would without Laneway.
func byHand(tp trace.TracerProvider) func(context.Context, kafka.Message) error {
	w3c := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	t, kind := tp.Tracer("by hand"), trace.WithSpanKind(trace.SpanKindConsumer)
	return func(ctx context.Context, m kafka.Message) error {
		ctx, span := t.Start(w3c.Extract(ctx, headers(m.Headers)), "process orders", kind)
		defer span.End()
		return ctx.Err()
	}
}

type headers []kafka.Header

func (hs headers) Get(key string) string {
	for _, h := range hs {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
func (hs headers) Set(string, string) {}
func (hs headers) Keys() []string     { return nil }

func perElem(b *testing.B, d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) }
