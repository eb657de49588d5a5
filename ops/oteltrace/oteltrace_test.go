package oteltrace_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// tracer keeps the ended spans.
func tracer(opts ...sdk.TracerProviderOption) (*sdk.TracerProvider, *tracetest.SpanRecorder) {
	rec := tracetest.NewSpanRecorder()
	return sdk.NewTracerProvider(append(opts, sdk.WithSpanProcessor(rec))...), rec
}

// produced is a message as a tracing producer sends it, in a span of its own.
func produced(tp trace.TracerProvider, value string) (kafka.Message, trace.SpanContext) {
	ctx, span := tp.Tracer("producer").Start(context.Background(), "send orders", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	m, _ := oteltrace.Inject(ctx, kafka.Message{Value: []byte(value), Headers: []kafka.Header{{Key: "shop", Value: []byte("7")}}})
	return m, span.SpanContext()
}

// named returns the ended spans with a name.
func named(rec *tracetest.SpanRecorder, name string) (ss []sdk.ReadOnlySpan) {
	for _, s := range rec.Ended() {
		if s.Name() == name {
			ss = append(ss, s)
		}
	}
	return ss
}

func one(t *testing.T, rec *tracetest.SpanRecorder, name string) sdk.ReadOnlySpan {
	t.Helper()
	ss := named(rec, name)
	if len(ss) != 1 {
		t.Fatalf("%d spans are named %s, want one", len(ss), name)
	}
	return ss[0]
}

func has(t *testing.T, s sdk.ReadOnlySpan, want ...attribute.KeyValue) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(s.Attributes(), w) {
			t.Errorf("%s has no %s=%s: %v", s.Name(), w.Key, w.Value.String(), s.Attributes())
		}
	}
}

func events(s sdk.ReadOnlySpan) (names []string) {
	for _, e := range s.Events() {
		names = append(names, e.Name)
	}
	return names
}

func TestTrace(t *testing.T) {
	t.Run("continues the producer's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 3)
			m, from := produced(tp, "a")
			l.Append(2, "k", m)
			handler := func(ctx context.Context, m kafka.Message) error {
				_, span := tp.Tracer("handler").Start(ctx, "query")
				defer span.End()
				return nil
			}
			opstest.Run(t, opstest.Orders.Map(opstest.Keep, stream.Named("decode")).Serial(handler, stream.Named("charge")).CommitEach(),
				[]stream.Option{l.Source(), stream.Observe(oteltrace.To(tp)), stream.Named("billing")}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			record, decode, charge, query := one(t, rec, "process orders"), one(t, rec, "decode"), one(t, rec, "charge"), one(t, rec, "query")
			for _, s := range []sdk.ReadOnlySpan{record, decode, charge, query} {
				if s.SpanContext().TraceID() != from.TraceID() {
					t.Errorf("span %s is not in the producer's trace", s.Name())
				}
			}
			if record.Parent().SpanID() != from.SpanID() || !record.Parent().IsRemote() || record.SpanKind() != trace.SpanKindConsumer {
				t.Errorf("the record's span: %v below %v", record.SpanKind(), record.Parent())
			}
			for child, parent := range map[sdk.ReadOnlySpan]sdk.ReadOnlySpan{decode: record, charge: record, query: charge} {
				if child.Parent().SpanID() != parent.SpanContext().SpanID() {
					t.Errorf("%s is not below %s", child.Name(), parent.Name())
				}
			}
			has(t, record, attribute.String("messaging.system", "kafka"), attribute.String("messaging.operation.type", "process"),
				attribute.String("messaging.operation.name", "process"), attribute.String("messaging.destination.name", "orders"),
				attribute.String("messaging.destination.partition.id", "2"), attribute.Int("messaging.kafka.offset", 0),
				attribute.String("messaging.kafka.message.key", "k"), attribute.String("laneway.pipeline", "billing"))
			has(t, charge, attribute.String("laneway.step", "charge"), attribute.Int("laneway.attempt", 1))
			if record.EndTime().Before(charge.EndTime()) {
				t.Error("the record's span ended before that of its last step")
			}
		})
	})
	t.Run("passes baggage on without a trace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 1)
			l.Append(0, "k", kafka.Message{Headers: []kafka.Header{{Key: "baggage", Value: []byte("tenant=8")}, {Key: "baggage", Value: []byte("tenant=9")}}})
			tenant := ""
			opstest.Run(t, opstest.Orders.Serial(func(ctx context.Context, _ kafka.Message) error {
				tenant = baggage.FromContext(ctx).Member("tenant").Value()
				return nil
			}).CommitEach(), []stream.Option{l.Source(), stream.Observe(oteltrace.To(tp))}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			if record := one(t, rec, "process orders"); tenant != "9" || record.Parent().IsValid() {
				t.Errorf("tenant %q, below %v", tenant, record.Parent())
			}
		})
	})
	t.Run("shows retries and the halt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "bad", "behind it")
			opstest.Run(t, opstest.Orders.GroupByPartition().Serial(opstest.Failing(map[string]int{"bad": 2}), stream.Named("charge")).RetryOnError(opstest.Retries(2)).HaltOnError().CommitEach(),
				[]stream.Option{l.Source(), stream.Observe(oteltrace.To(tp))}, func(p *stream.Pipeline) {
					opstest.Pass(time.Hour)
					halted := one(t, rec, "process orders")
					if halted.Status().Code != codes.Error || halted.Status().Description != "charge: charging bad: down" {
						t.Errorf("status: %v", halted.Status())
					}
					if got := events(halted); !slices.Equal(got, []string{"retry", "halt", "unfinished"}) {
						t.Errorf("events: %v", got)
					}
					attempts := named(rec, "charge")
					if len(attempts) != 2 || attempts[0].Status().Code != codes.Error || attempts[1].Status().Code != codes.Error {
						t.Fatalf("attempts: %v", attempts)
					}
					has(t, attempts[1], attribute.Int("laneway.attempt", 2), attribute.String("error.type", "*errors.errorString"))
					if err := p.Resume(p.Halts()[0]); err != nil {
						t.Fatal(err)
					}
					opstest.Pass(time.Hour)
				})
			all := named(rec, "process orders")
			if len(all) != 3 || all[1].Status().Code != codes.Unset || len(all[1].Events()) != 0 {
				t.Errorf("after Resume: %v", all)
			}
		})
	})
	t.Run("of a batch is linked to those of its records", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 1)
			from := map[trace.TraceID]bool{}
			for _, v := range []string{"a", "b", "c"} {
				m, sc := produced(tp, v)
				l.Append(0, v, m)
				from[sc.TraceID()] = true
			}
			write := func(_ context.Context, b []kafka.Message) error {
				return &stream.PartialError{Errs: map[int]error{1: opstest.ErrDown}}
			}
			opstest.Run(t, opstest.Orders.Batch(3, 0).Serial(write, stream.Named("write")).SkipOnError().CommitEach(),
				[]stream.Option{l.Source(), stream.Observe(oteltrace.To(tp))}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			var batch sdk.ReadOnlySpan
			var under []sdk.ReadOnlySpan
			records := 0
			for _, s := range named(rec, "process orders") {
				switch {
				case !s.Parent().IsValid():
					batch = s
				case from[s.SpanContext().TraceID()]:
					records++
				default:
					under = append(under, s)
				}
			}
			if batch == nil || records != 3 || len(under) != 3 || from[batch.SpanContext().TraceID()] {
				t.Fatalf("batch %v, %d records, %d under it", batch, records, len(under))
			}
			linked := map[trace.TraceID]bool{}
			for _, l := range batch.Links() {
				linked[l.SpanContext.TraceID()] = true
			}
			for id := range from {
				if !linked[id] {
					t.Errorf("the batch is not linked to %s", id)
				}
			}
			has(t, batch, attribute.Int("messaging.batch.message_count", 3), attribute.String("laneway.step", "write"))
			for i, s := range under {
				if s.Parent().SpanID() != batch.SpanContext().SpanID() || len(s.Links()) != 1 || !from[s.Links()[0].SpanContext.TraceID()] {
					t.Errorf("span of record %d: below %v, linked to %v", i, s.Parent(), s.Links())
				}
				has(t, s, attribute.Int("messaging.kafka.offset", i))
				if failed := s.Status().Code == codes.Error; failed != (i == 1) {
					t.Errorf("span of record %d has status %v", i, s.Status())
				}
			}
		})
	})
	t.Run("costs nothing if not sampled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			counting := &tracetest.SpanRecorder{}
			tp := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())), sdk.WithSpanProcessor(counting))
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "b")
			var seen []trace.SpanContext
			opstest.Run(t, opstest.Orders.Map(opstest.Keep).Serial(func(ctx context.Context, _ kafka.Message) error {
				seen = append(seen, trace.SpanContextFromContext(ctx))
				return nil
			}).Batch(2, 0).Serial(func(context.Context, []kafka.Message) error { return nil }).CommitEach(),
				[]stream.Option{l.Source(), stream.Observe(oteltrace.To(tp))}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			if n := len(counting.Started()); n != 0 {
				t.Errorf("%d spans were started", n)
			}
			if len(seen) != 2 || !seen[0].IsValid() || seen[0].IsSampled() || seen[0].TraceID() == seen[1].TraceID() {
				t.Errorf("handlers found %v, want an unsampled trace", seen)
			}
		})
	})
	t.Run("ends every started span", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "b", "c")
			m := l.Member()
			opstest.Run(t, opstest.Orders.Concurrent(2, opstest.Failing(map[string]int{"b": -1})).RetryOnError(opstest.Retries(1000)).Batch(9, 0).CommitEach(),
				[]stream.Option{m.Source(), stream.Observe(oteltrace.To(tp))}, func(*stream.Pipeline) {
					if err := m.Assign(0); err != nil {
						t.Fatal(err)
					}
					opstest.Pass(time.Minute)
					if err := m.Lose(0); err != nil {
						t.Fatal(err)
					}
					opstest.Pass(time.Hour)
					if started, ended := len(rec.Started()), len(rec.Ended()); started != ended || ended == 0 {
						t.Errorf("%d spans started, %d ended", started, ended)
					}
				})
		})
	})
}

func TestInject(t *testing.T) {
	t.Run("passes the trace on", func(t *testing.T) {
		tp, _ := tracer()
		ctx, span := tp.Tracer("x").Start(context.Background(), "x")
		defer span.End()
		member, _ := baggage.NewMember("tenant", "9")
		bag, _ := baggage.New(member)
		old := []kafka.Header{{Key: "traceparent", Value: []byte("old")}, {Key: "shop", Value: []byte("7")}}
		m, err := oteltrace.Inject(baggage.ContextWithBaggage(ctx, bag), kafka.Message{Headers: old})
		got := map[string]string{}
		for _, h := range m.Headers {
			got[h.Key] = string(h.Value)
		}
		want := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"
		if err != nil || len(m.Headers) != 3 || got["traceparent"] != want || got["baggage"] != "tenant=9" || got["shop"] != "7" {
			t.Errorf("%v: %v", err, got)
		}
		if string(old[0].Value) != "old" || len(old) != 2 || old[1].Key != "shop" {
			t.Errorf("the old headers were changed: %v", old)
		}
		if m, _ := oteltrace.Inject(context.Background(), kafka.Message{Headers: old}); len(m.Headers) != 2 {
			t.Errorf("without a trace: %v", m.Headers)
		}
	})
}
