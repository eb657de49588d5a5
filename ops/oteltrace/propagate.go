package oteltrace

import (
	"context"
	"slices"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/laneway-go/laneway/stream"
)

// w3c propagates Trace Context and Baggage in record headers, as HTTP does in its headers.
var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// Inject writes the trace and the baggage of ctx to a message's headers (W3C Trace Context), so
// that the consumer of the message continues the trace. Use it with Map before a sink, or call it
// in a handler that produces.
//
//	Map(encode).Map(oteltrace.Inject).To(sink)
//
// It replaces older headers of the same names without changing the given slice. Without a trace in
// ctx it returns the message unchanged. It never fails.
func Inject(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	out := outgoing{old: m.Headers}
	w3c.Inject(ctx, &out)
	if out.new != nil {
		m.Headers = out.new
	}
	return m, nil
}

// outgoing holds a message's headers while they are written.
type outgoing struct{ old, new []kafka.Header }

func (o *outgoing) Set(key, value string) {
	if o.new == nil {
		o.new = make([]kafka.Header, len(o.old), len(o.old)+3)
		copy(o.new, o.old)
	}
	o.new = slices.DeleteFunc(o.new, func(h kafka.Header) bool { return h.Key == key })
	o.new = append(o.new, kafka.Header{Key: key, Value: []byte(value)})
}

func (o *outgoing) Get(key string) string {
	for _, h := range o.old {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (o *outgoing) Keys() (keys []string) {
	for _, h := range o.old {
		keys = append(keys, h.Key)
	}
	return keys
}

// extract finds the trace and the baggage that a record carries. It runs for every record, so it
// asks the propagator only for headers that are there.
func extract(ctx context.Context, hs []stream.Header) context.Context {
	var trace, bag bool
	for i := range hs {
		trace = trace || hs[i].Key == "traceparent"
		bag = bag || hs[i].Key == "baggage"
	}
	if !trace && !bag {
		return ctx
	}
	in := propagation.TextMapCarrier(incoming(hs))
	if trace {
		ctx = propagation.TraceContext{}.Extract(ctx, in)
	}
	if bag {
		ctx = propagation.Baggage{}.Extract(ctx, in)
	}
	return ctx
}

// incoming holds a record's headers. The last of several with one name counts.
type incoming []stream.Header

func (in incoming) Get(key string) string {
	for _, h := range slices.Backward(in) {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (in incoming) Keys() (keys []string) {
	for _, h := range in {
		keys = append(keys, h.Key)
	}
	return keys
}

func (in incoming) Set(string, string) {} // never called: incoming headers are only read
