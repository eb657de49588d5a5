// Package oteltrace traces pipelines with OpenTelemetry.
//
//	Run(ctx, stream.Observe(oteltrace.To(tracerProvider)))
package oteltrace

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// To traces a pipeline by OpenTelemetry's semantic conventions for messaging. Each record has a
// consumer span named "process" and its topic. The span belongs to the trace in the record's
// headers (W3C Trace Context), and lasts from the first step until the record is finished or given
// up. Below it, each attempt of each step has a span with status and error. Retries, skips, dead
// letters and halts are events of the record's span. A handler finds the span of its step in its
// context, for its own spans and for Inject.
//
// A step that handles a batch, or a sink that writes many elements at once, has one span in a trace
// of its own. That span is linked to the traces of all its records, and has a child span for each
// of them. Below a commit in the middle of the chain, the record's span has already ended.
//
// The provider's sampler decides by trace, name and kind. A record that is not sampled costs no
// spans or attributes. Its handlers still find the trace in their context, so nothing downstream is
// sampled either.
//
// All text is valid UTF-8; other bytes of an error or a key are written as \xff, since OTLP refuses
// a whole batch of spans for one invalid string. An error message is cut after 1,024 bytes, since
// collectors refuse requests above 4 MiB.
func To(tp trace.TracerProvider) stream.Observer {
	return stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
		if tp == nil {
			return stream.Observer{}, errors.New("oteltrace.To was given no TracerProvider")
		}
		t := &tracing{tracer: tp.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
			pipeline: attribute.String("laneway.pipeline", legible.Text(p.Describe().Name)), open: map[stop]trace.Span{}}
		t.topics.Store(&map[string]*topic{})
		return stream.Observer{Begin: t.begin, StepStart: t.start, StepDone: t.done, Event: t.event}, nil
	}}
}

// scope is the instrumentation scope: by convention, the import path of the package that starts the
// spans.
const scope = "github.com/laneway-go/laneway/ops/oteltrace"

// tracing holds the traces of one pipeline.
type tracing struct {
	tracer   trace.Tracer
	pipeline attribute.KeyValue
	topics   atomic.Pointer[map[string]*topic] // copied when a topic is added

	mu   sync.Mutex // guards open; no call is made under it
	open map[stop]trace.Span
}

// stop is the key under which an event finds a record's span.
type stop struct {
	stream.TopicPartition
	offset int64
}

func stopOf(m stream.Meta) stop { return stop{m.TopicPartition(), m.Offset} }

// topic holds what all spans of a topic share.
type topic struct {
	span  string
	attrs []attribute.KeyValue
}

var (
	consumer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
	root     = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithNewRoot()}
)

func (t *tracing) topic(name string) *topic {
	known := t.topics.Load()
	if tt := (*known)[name]; tt != nil {
		return tt
	}
	clean := legible.Text(name)
	tt := &topic{span: "process " + clean, attrs: []attribute.KeyValue{semconv.MessagingSystemKafka, semconv.MessagingOperationName("process"),
		semconv.MessagingOperationTypeProcess, semconv.MessagingDestinationName(clean), t.pipeline}}
	for {
		more := maps.Clone(*known)
		more[name] = tt
		if t.topics.CompareAndSwap(known, &more) {
			return tt
		}
		known = t.topics.Load()
	}
}

// begin starts a record's span.
func (t *tracing) begin(ctx context.Context) (context.Context, bool) {
	m, _ := stream.MetaOf(ctx)
	to := t.topic(m.Topic)
	ctx, span := t.tracer.Start(extract(ctx, m.Headers), to.span, consumer...)
	if !span.IsRecording() {
		return ctx, false
	}
	span.SetAttributes(to.attrs...) // only now: an unsampled span costs nothing
	span.SetAttributes(lineage(m)...)
	at := stopOf(m)
	t.mu.Lock()
	t.open[at] = span
	t.mu.Unlock()
	stream.OnSettled(ctx, func(finished bool) {
		t.mu.Lock()
		if t.open[at] == span { // another epoch may have replaced it
			delete(t.open, at)
		}
		t.mu.Unlock()
		if !finished {
			span.AddEvent("unfinished")
		}
		span.End()
	})
	return ctx, true
}

func lineage(m stream.Meta) []attribute.KeyValue {
	as := []attribute.KeyValue{semconv.MessagingDestinationPartitionID(strconv.Itoa(m.Partition)), semconv.MessagingKafkaOffset(int(m.Offset))}
	if m.Key != nil {
		as = append(as, semconv.MessagingKafkaMessageKey(legible.Key(m.Key)))
	}
	return as
}

// working holds the spans of one attempt.
type working struct {
	span    trace.Span
	records []trace.Span // of a batch
}

// start starts a step's span. done finds it under t, since another observer may have put a span of
// its own on top.
func (t *tracing) start(ctx context.Context, c stream.Call) context.Context {
	if c.Batch() {
		return t.startBatch(ctx, c)
	}
	ctx, span := t.tracer.Start(ctx, legible.Text(c.Step()), trace.WithAttributes(stepAttrs(c)...))
	return context.WithValue(ctx, t, &working{span: span})
}

func stepAttrs(c stream.Call) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("laneway.step", legible.Text(c.Step())), attribute.Int("laneway.attempt", c.Attempt())}
}

// startBatch starts the spans of a batch if any of its records is in a recorded trace.
func (t *tracing) startBatch(ctx context.Context, c stream.Call) context.Context {
	links := make([]trace.Link, 0, c.Records())
	metas := make([]stream.Meta, 0, c.Records())
	sampled := false
	for r := range stream.RecordsOf(ctx) {
		sc := trace.SpanContextFromContext(r)
		sampled = sampled || sc.IsSampled()
		m, _ := stream.MetaOf(r)
		links, metas = append(links, trace.Link{SpanContext: sc}), append(metas, m)
	}
	if !sampled {
		return ctx
	}
	to := t.topic(c.Meta().Topic)
	ctx, span := t.tracer.Start(ctx, to.span, append(root[:len(root):len(root)], trace.WithLinks(links...), trace.WithAttributes(to.attrs...),
		trace.WithAttributes(append(stepAttrs(c), semconv.MessagingBatchMessageCount(c.Records()))...))...)
	if !span.IsRecording() {
		return ctx
	}
	w := &working{span: span}
	for i, m := range metas {
		to := t.topic(m.Topic)
		_, r := t.tracer.Start(ctx, to.span, append(consumer[:len(consumer):len(consumer)], trace.WithLinks(links[i]),
			trace.WithAttributes(to.attrs...), trace.WithAttributes(lineage(m)...))...)
		w.records = append(w.records, r)
	}
	return context.WithValue(ctx, t, w)
}

// done ends a step's spans.
func (t *tracing) done(ctx context.Context, _ stream.Call, err error) {
	w, _ := ctx.Value(t).(*working)
	if w == nil {
		return
	}
	part, _ := errors.AsType[*stream.PartialError](err)
	for i, r := range w.records {
		if part != nil {
			fail(r, part.Errs[i])
		} else {
			fail(r, err)
		}
		r.End()
	}
	fail(w.span, err)
	w.span.End()
}

// fail sets the error status of a span if err is not nil.
func fail(s trace.Span, err error) {
	if err == nil || !s.IsRecording() {
		return
	}
	why, kind := message(err), legible.Text(semconv.ErrorType(err).Value.AsString())
	s.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(semconv.ExceptionType(kind), semconv.ExceptionMessage(why)))
	s.SetAttributes(semconv.ErrorTypeKey.String(kind))
	s.SetStatus(codes.Error, why)
}

// message is the text of an error, cut to what a span may hold.
func message(err error) string {
	const most = 1024
	return legible.Cut(err.Error(), most)
}
