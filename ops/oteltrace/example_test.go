package oteltrace_test

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Consumers of the written message continue the trace of the record that it came from.
func ExampleInject() {
	provider := sdk.NewTracerProvider() // a worker adds an exporter
	out := sink.Slice[kafka.Message]()
	err := source.Slice(kafka.Message{Value: []byte("an order")}).
		Map(oteltrace.Inject).
		To(out).
		Run(context.Background(), stream.Observe(oteltrace.To(provider)))
	if err != nil {
		fmt.Println(err)
	}
	for _, m := range out.Values() {
		for _, h := range m.Headers {
			fmt.Println(h.Key, len(h.Value))
		}
	}
	// Output:
	// traceparent 55
}
