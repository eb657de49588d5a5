package oteltrace_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

const bytesOfNoText = "\xff\xfe\xe2("

// texts returns every text of a span that OTLP exports as a string.
func texts(s sdk.ReadOnlySpan) []string {
	all := []string{s.Name(), s.Status().Description, s.SpanContext().TraceState().String()}
	of := func(as []attribute.KeyValue) {
		for _, a := range as {
			all = append(all, string(a.Key), a.Value.String())
		}
	}
	of(s.Attributes())
	for _, e := range s.Events() {
		all = append(all, e.Name)
		of(e.Attributes)
	}
	for _, l := range s.Links() {
		all = append(all, l.SpanContext.TraceState().String())
		of(l.Attributes)
	}
	return all
}

// odd is an error whose type name is invalid UTF-8 as well.
type odd struct{ error }

func (odd) ErrorType() string { return bytesOfNoText }

func quote(_ context.Context, m kafka.Message) (kafka.Message, error) {
	return m, odd{fmt.Errorf("cannot decode %s", m.Value)}
}

func quoteAll(_ context.Context, ms []kafka.Message) error {
	return &stream.PartialError{Errs: map[int]error{0: fmt.Errorf("cannot decode %s", ms[0].Value)}}
}

type refusing struct{}

func (refusing) Write(context.Context, []stream.Out[stream.Failure]) error {
	return errors.New("refused " + bytesOfNoText)
}

func TestSpanText(t *testing.T) {
	t.Run("is UTF-8", func(t *testing.T) {
		illegible := kafka.Message{Value: []byte(bytesOfNoText), Headers: []kafka.Header{
			{Key: bytesOfNoText, Value: []byte(bytesOfNoText)},
			{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
			{Key: "tracestate", Value: []byte("a=" + bytesOfNoText)},
			{Key: "baggage", Value: []byte("a=" + bytesOfNoText)},
		}}
		step := stream.Named("decode " + bytesOfNoText)
		for name, s := range map[string]stream.Stream[kafka.Message]{
			"of a record that is tried again and skipped": opstest.Orders.Map(quote, step).RetryOnError(opstest.Retries(2)).SkipOnError(),
			"of a dead letter that cannot be written":     opstest.Orders.Map(quote, step).DeadLetterOnError(refusing{}).SkipOnError(),
			"of a halt": opstest.Orders.Map(quote, step).HaltOnError(),
		} {
			t.Run(name, func(t *testing.T) { wantText(t, s.CommitEach(), illegible) })
		}
		t.Run("of a batch", func(t *testing.T) {
			wantText(t, opstest.Orders.Batch(1, 0).Serial(quoteAll, step).SkipOnError().CommitEach(), illegible)
		})
	})
	t.Run("is cut when long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tp, rec := tracer()
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, strings.Repeat("€", 1<<20))
			s := opstest.Orders.Map(quote).RetryOnError(opstest.Retries(2)).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(oteltrace.To(tp))}, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			for _, s := range rec.Ended() {
				for _, text := range texts(s) {
					if len(text) > 1100 {
						t.Errorf("a span of %s has a text of %d bytes", s.Name(), len(text))
					}
				}
			}
		})
	})
}

// wantText runs a chain over a record, and checks that its spans are UTF-8 and still quote the
// record.
func wantText[T any](t *testing.T, s stream.Stream[T], m kafka.Message) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tp, rec := tracer()
		l := streamtest.Kafka("orders "+bytesOfNoText, 1)
		l.Append(0, bytesOfNoText, m)
		opts := []stream.Option{l.Source(), stream.Named("billing " + bytesOfNoText), stream.Observe(oteltrace.To(tp))}
		opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
		if len(rec.Ended()) < 2 {
			t.Fatalf("%d spans ended", len(rec.Ended()))
		}
		var all []string
		for _, s := range rec.Ended() {
			all = append(all, texts(s)...)
		}
		for _, text := range all {
			if !utf8.ValidString(text) {
				t.Errorf("a span has the text %q", text)
			}
		}
		if want := `cannot decode \xff\xfe\xe2(`; !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("no span has %q", want)
		}
	})
}

// asking is a span processor that calls the pipeline whenever a span starts or ends.
type asking struct {
	sdk.SpanProcessor
	ask *stream.Pipeline
}

func (a *asking) OnStart(context.Context, sdk.ReadWriteSpan) { opstest.Asks(a.ask) }
func (a *asking) OnEnd(sdk.ReadOnlySpan)                     { opstest.Asks(a.ask) }

func TestSpanProcessor(t *testing.T) {
	t.Run("may call the pipeline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &asking{}
			tp, rec := tracer()
			tp.RegisterSpanProcessor(a)
			o := stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
				a.ask = p
				return oteltrace.To(tp).Attach(p)
			}}
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "bad", "c")
			s := opstest.Orders.Map(opstest.Keep).Batch(2, time.Second).
				Serial(func(context.Context, []kafka.Message) error { return opstest.ErrDown }).
				RetryOnError(opstest.Retries(2)).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(o)}, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			if started, ended := len(rec.Started()), len(rec.Ended()); started != ended || ended == 0 {
				t.Errorf("%d spans started, %d ended", started, ended)
			}
		})
	})
}

func TestTo(t *testing.T) {
	t.Run("is refused by Build without a provider", func(t *testing.T) {
		opstest.Refuses(t, oteltrace.To(nil))
	})
}
