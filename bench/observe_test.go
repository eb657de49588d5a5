package bench

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
)

// rounds is how often two things are measured by turns; the least of each counts, which other load falsifies least.
const rounds = 5

// BenchmarkObserved: what observers cost a record of a keyed worker, 64 at a time, whose handler does nothing; +cpu-ns/elem is over the same without one.
func BenchmarkObserved(b *testing.B) {
	for name, o := range map[string]func() stream.Observer{
		"log":     func() stream.Observer { return ops.Log(zap.New(zapcore.NewNopCore())) },
		"metrics": func() stream.Observer { return ops.Measure(prometheus.NewRegistry()) },
	} {
		b.Run(name, func(b *testing.B) {
			without, with := compared(b, o)
			b.ReportMetric(perElem(b, without), "none-cpu-ns/elem")
			b.ReportMetric(perElem(b, with-without), "+cpu-ns/elem")
			b.ReportMetric(float64(with)/float64(without), "x")
		})
	}
}

// BenchmarkNotSampled: tracing where the sampler wants nothing; x is what it costs over what the SDK's own Start and the extraction of the header cost.
func BenchmarkNotSampled(b *testing.B) {
	tp := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	without, with := compared(b, func() stream.Observer { return ops.Trace(tp) })
	var floor time.Duration
	for range rounds {
		floor = least(floor, startAndExtract(tp.Tracer("floor"), b.N))
	}
	b.ReportMetric(perElem(b, floor), "sdk-cpu-ns/elem")
	b.ReportMetric(perElem(b, with-without), "+cpu-ns/elem")
	b.ReportMetric(float64(with-without)/float64(floor), "x")
}

// compared measures a worker without and with an observer, by turns.
func compared(b *testing.B, o func() stream.Observer) (without, with time.Duration) {
	b.Helper()
	measure := func(opts ...stream.Option) time.Duration {
		s := stream.From(func() stream.Source[kafka.Message] {
			return &feed{n: b.N, wake: make(chan struct{}, 1), headers: traced}
		})
		start := cpu()
		run(b, s.GroupByKey().Concurrent(64, noop), opts...)
		return cpu() - start
	}
	b.ResetTimer()
	for range rounds {
		without = least(without, measure())
		with = least(with, measure(stream.Observe(o())))
	}
	return without, with
}

// traced is what a producer that traces, and samples nothing, sends along.
var traced = []kafka.Header{{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")}}

// startAndExtract is what tracing costs that nobody can do without.
func startAndExtract(t trace.Tracer, n int) time.Duration {
	w3c := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	name, kind := "process orders", trace.WithSpanKind(trace.SpanKindConsumer)
	start := cpu()
	for range n {
		ctx, span := t.Start(w3c.Extract(context.Background(), headers(traced)), name, kind)
		_ = ctx
		span.End()
	}
	return cpu() - start
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

func least(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func perElem(b *testing.B, d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) }
