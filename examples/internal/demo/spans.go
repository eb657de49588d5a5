package demo

import (
	"context"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/laneway-go/laneway/ops/oteltrace"
)

// SeedTraced is Seed by a tracing producer: each record carries its own trace in its headers.
func (d *Demo) SeedTraced(ctx context.Context, records ...kafka.Message) ([]kafka.Message, error) {
	producer := d.Tracer.Tracer("producer")
	for i := range records {
		c, span := producer.Start(ctx, "send "+d.Topic(), trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			semconv.MessagingSystemKafka, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend, semconv.MessagingDestinationName(d.Topic())))
		records[i], _ = oteltrace.Inject(c, records[i])
		span.End()
	}
	return d.Seed(ctx, records...)
}

// SeedInOneTrace is SeedTraced with one trace for all records, so that a page of Jaeger shows which
// records ran side by side.
func (d *Demo) SeedInOneTrace(ctx context.Context, records ...kafka.Message) ([]kafka.Message, error) {
	ctx, span := d.Tracer.Tracer("producer").Start(ctx, "seed "+d.Topic())
	defer span.End()
	return d.SeedTraced(ctx, records...)
}

// Spans records the spans of the run, for checks. Call it before the first of them starts.
func (d *Demo) Spans() *tracetest.SpanRecorder {
	kept := tracetest.NewSpanRecorder()
	d.Tracer.RegisterSpanProcessor(kept)
	return kept
}

// Tree prints a span and all spans below it.
func (d *Demo) Tree(s sdk.ReadOnlySpan, all []sdk.ReadOnlySpan, indent string) {
	says := ""
	for _, a := range s.Attributes() {
		switch a.Key {
		case semconv.MessagingBatchMessageCountKey, semconv.MessagingKafkaOffsetKey, attribute.Key("laneway.attempt"):
			says += "  " + string(a.Key) + "=" + a.Value.String()
		}
	}
	if why := s.Status().Description; why != "" {
		says += "  error: " + why
	}
	d.Say("%s%s  %v%s", indent, s.Name(), s.EndTime().Sub(s.StartTime()).Round(1000), says)
	for _, e := range s.Events() {
		d.Say("%s  · %s", indent, e.Name)
	}
	for _, c := range Under(s, all) {
		d.Tree(c, all, indent+"  ")
	}
}

// Under returns the children of a span.
func Under(s sdk.ReadOnlySpan, all []sdk.ReadOnlySpan) (below []sdk.ReadOnlySpan) {
	for _, c := range all {
		if c.Parent().SpanID() == s.SpanContext().SpanID() {
			below = append(below, c)
		}
	}
	return below
}

// Lines returns the screen as the output of a logger.
func (d *Demo) Lines() io.Writer { return d.screen }

// Metric returns the sum of a metric over all its labels. For a histogram it returns the sum and
// the number of observations.
func (d *Demo) Metric(name string) (sum float64, observed uint64, err error) {
	families, err := d.Metrics.Gather()
	if err != nil {
		return 0, 0, err
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				sum += m.Counter.GetValue()
			case dto.MetricType_GAUGE:
				sum += m.Gauge.GetValue()
			case dto.MetricType_HISTOGRAM:
				sum += m.Histogram.GetSampleSum()
				observed += m.Histogram.GetSampleCount()
			}
		}
	}
	return sum, observed, nil
}
