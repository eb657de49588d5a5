package oteltrace

import (
	"context"
	"slices"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/laneway-go/laneway/stream"
)

// w3c is Trace Context and Baggage, in record headers as they are in HTTP's.
var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// Inject writes the trace that ctx is in, and its baggage, to a message's headers as W3C's Trace
// Context says, for Map before a sink, or to be called by a handler that produces: whoever consumes
// the message goes on with the trace.
//
//	Map(encode).Map(oteltrace.Inject).To(sink)
//
// Older headers of these names are replaced; the slice that it was given is left alone. Without a
// trace the message is returned as it is. There is never an error.
func Inject(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	out := outgoing{old: m.Headers}
	w3c.Inject(ctx, &out)
	if out.new != nil {
		m.Headers = out.new
	}
	return m, nil
}

// outgoing is a message's headers while they are written.
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

// extract finds the trace and the baggage that a record carries. What is not among the headers is
// not asked for: this is done for every record.
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

// incoming is a record's headers. Of several with one name the last counts.
type incoming []stream.Header

func (in incoming) Get(key string) string {
	for i := len(in) - 1; i >= 0; i-- {
		if in[i].Key == key {
			return string(in[i].Value)
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

func (in incoming) Set(string, string) {} // nobody writes to what was read
