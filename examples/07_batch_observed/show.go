package main

import (
	"context"
	"errors"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

var errRefused = errors.New("the row is refused")

const seeded = 500

func run(ctx context.Context, d *demo.Demo) error {
	spans := d.Spans()
	if _, err := d.SeedTraced(ctx, demo.Numbered(seeded, 0)...); err != nil {
		return err
	}
	logger := zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(short), zapcore.AddSync(d.Lines()), zap.DebugLevel))
	if err := d.Run(ctx, worker(d.Kafka), observed(logger, d.Tracer, d.Metrics)); err != nil || d.Forever {
		return err
	}
	checkSpans(d, spans.Ended())
	rows, batches, err := d.Metric("laneway_batch_size_records")
	skipped, _, err2 := d.Metric("laneway_records_skipped_total")
	d.Check("measured", rows == seeded && batches >= seeded/100 && skipped == seeded/50, "%d batches of %.0f records on average, %v records skipped",
		batches, rows/float64(max(batches, 1)), skipped)
	return errors.Join(err, err2, d.CheckCommitted(ctx))
}

// short is the format of lines on the screen; a production logger has its own.
var short = zapcore.EncoderConfig{LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.CapitalLevelEncoder,
	EncodeDuration: zapcore.StringDurationEncoder, ConsoleSeparator: "  "}

// checkSpans checks the traces of batches and of their records.
func checkSpans(d *demo.Demo, all []sdk.ReadOnlySpan) {
	// the producers' traces, and those of them that continue here
	sent, went := map[trace.TraceID]bool{}, map[trace.TraceID]bool{}
	var batches []sdk.ReadOnlySpan
	for _, s := range all {
		switch {
		case s.SpanKind() == trace.SpanKindProducer:
			sent[s.SpanContext().TraceID()] = true
		case !s.Parent().IsValid():
			batches = append(batches, s)
		}
	}
	for _, s := range all {
		if s.SpanKind() == trace.SpanKindConsumer && sent[s.SpanContext().TraceID()] {
			went[s.SpanContext().TraceID()] = true
		}
	}
	linked, under, refused := map[trace.TraceID]bool{}, 0, 0
	for _, b := range batches {
		for _, l := range b.Links() {
			linked[l.SpanContext.TraceID()] = went[l.SpanContext.TraceID()]
		}
		for _, r := range demo.Under(b, all) {
			if len(r.Links()) == 1 && linked[r.Links()[0].SpanContext.TraceID()] {
				under++
			}
			if r.Status().Description != "" {
				refused++
			}
		}
	}
	if len(batches) > 0 {
		b := batches[len(batches)-1]
		d.Say("\n  the trace of a batch, linked to %d others, with its first record", len(b.Links()))
		below := demo.Under(b, all)
		d.Tree(b, below[:min(3, len(below))], "    ")
	}
	d.Check("batches", len(batches) >= seeded/100 && len(linked) == seeded, "%d spans, a trace of its own each, linked to the traces of %d of %d records", len(batches), len(linked), seeded)
	d.Check("records", under == seeded && refused == seeded/50, "%d have a span below their batch's, %d of them with the row's error", under, refused)
	d.Check("continued", len(went) == seeded, "%d of %d records continue their producer's trace", len(went), seeded)
}
