package main

import (
	"context"
	"errors"
	"slices"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

var errUnknown = errors.New("nobody knows it")

const seeded = 200

func run(ctx context.Context, d *demo.Demo) error {
	spans := d.Spans()
	records, err := d.SeedTraced(ctx, demo.Numbered(seeded, 20)...)
	if err != nil {
		return err
	}
	unknown := 0
	for _, m := range records {
		if m.Offset%10 == 9 {
			unknown++
		}
	}
	kept, lines := observer.New(zap.DebugLevel)
	logger := zap.New(zapcore.NewTee(kept, zapcore.NewCore(zapcore.NewConsoleEncoder(short), zapcore.AddSync(d.Lines()), zap.InfoLevel)))
	if err := d.Run(ctx, worker(d.Kafka, &handler{d.Tracer.Tracer("handler")}), observed(logger, d.Tracer, d.Metrics)); err != nil || d.Forever {
		return err
	}
	done, skipped := logged(lines, "done"), logged(lines, "failed, it is skipped")
	d.Check("logged", done == seeded-unknown && skipped == unknown, "%d records done and %d skipped, each with topic, partition, offset, key, step, attempt, duration", done, skipped)
	checkSpans(d, spans.Ended())
	handled, _, err := d.Metric("laneway_records_handled_total")
	given, _, err2 := d.Metric("laneway_records_skipped_total")
	took, timed, err3 := d.Metric("laneway_step_duration_seconds")
	d.Check("measured", handled == seeded && int(given) == unknown && timed > 0, "%v records handled, %v of them skipped; %d attempts timed, %.1f ms each", handled, given, timed, took/float64(timed)*1000)
	return errors.Join(err, err2, err3, d.CheckCommitted(ctx))
}

// short is the format of lines on the screen; a production logger has its own.
var short = zapcore.EncoderConfig{LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.CapitalLevelEncoder,
	EncodeDuration: zapcore.StringDurationEncoder, ConsoleSeparator: "  "}

// logged counts the records whose line has every field to search for, and the records that a line
// reports as left out.
func logged(lines *observer.ObservedLogs, msg string) (n int) {
	for _, e := range lines.FilterMessage(msg).All() {
		fields := e.ContextMap()
		if !slices.ContainsFunc([]string{"pipeline", "topic", "partition", "offset", "key", "step", "attempt", "duration"},
			func(f string) bool { return fields[f] == nil }) {
			n++
		}
		left, _ := fields["left_out"].(int64)
		n += int(left)
	}
	return n
}

// checkSpans checks that each record's span continues its producer's trace, and has the expected
// children.
func checkSpans(d *demo.Demo, all []sdk.ReadOnlySpan) {
	continued, steps := 0, 0
	var shown sdk.ReadOnlySpan
	for _, sent := range all {
		if sent.SpanKind() != trace.SpanKindProducer {
			continue
		}
		for _, record := range demo.Under(sent, all) {
			if record.SpanKind() != trace.SpanKindConsumer || record.SpanContext().TraceID() != sent.SpanContext().TraceID() {
				continue
			}
			continued++
			for _, step := range demo.Under(record, all) {
				if step.Name() == "worker" && len(demo.Under(step, all)) == 1 {
					steps++
				}
			}
			if shown == nil || record.Status().Description != "" {
				shown = sent
			}
		}
	}
	if shown != nil {
		d.Say("\n  the trace of a record that failed")
		d.Tree(shown, all, "    ")
	}
	d.Check("traced", continued == seeded, "%d of %d records continue their producer's trace", continued, seeded)
	d.Check("step by step", steps == seeded, "%d have a span of their step below theirs, and the handler's own below that", steps)
}
