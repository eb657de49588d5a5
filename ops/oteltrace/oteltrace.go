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

	"github.com/laneway-go/laneway/ops/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// To traces a pipeline by OpenTelemetry's semantic conventions for messaging. A record has a
// consumer span, "process" and its topic, in the trace that its headers carry (W3C Trace Context),
// from its first step until it is finished or given up. Under it, each attempt of each step has a
// span with status and error. Retries, skips, dead letters and halts are events of the record's
// span. Handlers find the span of their step in their context: their own spans, and Inject,
// continue from there.
//
// A step that works on a batch, or a sink that writes many at once, has one span in a trace of its
// own. It is linked to the traces of all its records, and has a span for each of them under it.
// Below a commit that stands above the work, a record's span has ended already.
//
// The provider's sampler decides, by trace, name and kind. Nothing else is built for a record that
// is not sampled; handlers still find its trace in their context, so nothing below is sampled
// either.
//
// Whatever an error or a key contains, each text in a span is valid UTF-8: other bytes are written
// as \xff. OTLP would refuse the whole batch of spans otherwise. A message is cut after 1,024
// bytes, for the same reason: collectors refuse requests above 4 MiB.
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

// scope is the instrumentation scope, by convention the import path of what makes the spans.
const scope = "github.com/laneway-go/laneway/ops/oteltrace"

// tracing is one pipeline's traces.
type tracing struct {
	tracer   trace.Tracer
	pipeline attribute.KeyValue
	topics   atomic.Pointer[map[string]*topic] // copied when one comes

	mu   sync.Mutex // guards open; nothing is called under it
	open map[stop]trace.Span
}

// stop is where a record's span is found when an event speaks of it.
type stop struct {
	stream.TopicPartition
	offset int64
}

func stopOf(m stream.Meta) stop { return stop{m.TP(), m.Offset} }

// topic is what all spans of a topic have, made once.
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

// begin opens a record's span.
func (t *tracing) begin(ctx context.Context) (context.Context, bool) {
	m, _ := stream.MetaOf(ctx)
	to := t.topic(m.Topic)
	ctx, span := t.tracer.Start(extract(ctx, m.Headers), to.span, consumer...)
	if !span.IsRecording() {
		return ctx, false
	}
	span.SetAttributes(to.attrs...) // only now: what is not sampled costs nothing
	span.SetAttributes(lineage(m)...)
	at := stopOf(m)
	t.mu.Lock()
	t.open[at] = span
	t.mu.Unlock()
	stream.OnRest(ctx, func(finished bool) {
		t.mu.Lock()
		if t.open[at] == span { // not another epoch's
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

// working is the spans of one attempt.
type working struct {
	span    trace.Span
	records []trace.Span // of a batch
}

// start opens a step's span. It is found again under t, since another observer may have put a span
// of its own above it.
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

// startBatch opens the spans of a batch of which some record is in a trace that is recorded.
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

// fail gives a span the status of an error, if it is one.
func fail(s trace.Span, err error) {
	if err == nil || !s.IsRecording() {
		return
	}
	why, kind := message(err), legible.Text(semconv.ErrorType(err).Value.AsString())
	s.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(semconv.ExceptionType(kind), semconv.ExceptionMessage(why)))
	s.SetAttributes(semconv.ErrorTypeKey.String(kind))
	s.SetStatus(codes.Error, why)
}

// message is an error as a span can have it.
func message(err error) string {
	const most = 1024
	return legible.Cut(err.Error(), most)
}
