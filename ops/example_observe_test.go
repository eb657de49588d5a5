package ops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// untimed writes log lines without what changes from run to run.
func untimed() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" {
			return slog.Attr{}
		}
		return a
	}}))
}

func ExampleLogSlog() {
	log := streamtest.Kafka("orders", 1)
	log.Append(0, "alice", kafka.Message{Value: []byte("12 €")})
	log.Append(0, "bob", kafka.Message{Value: []byte("?")})
	log.Finish()
	err := stream.From[kafka.Message](nil).
		Serial(func(_ context.Context, m kafka.Message) error {
			if string(m.Value) == "?" {
				return errors.New("not a price")
			}
			return nil
		}, stream.Named("price")).
		SkipOnError().
		CommitEach().
		Run(context.Background(), log.Source(), stream.Named("pricing"), stream.Observe(ops.LogSlog(untimed())))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg="partition assigned" pipeline=pricing topic=orders partition=0 offset=0 epoch=1
	// level=WARN msg="failed, it is skipped" pipeline=pricing topic=orders partition=0 offset=1 key=bob step=price attempt=1 error="not a price"
	// level=INFO msg="partition revoked" pipeline=pricing topic=orders partition=0 epoch=1 committed=2 unfinished=0 uncommitted=0
	// level=INFO msg=ended pipeline=pricing
}

func ExampleMeasure() {
	log := streamtest.Kafka("orders", 1)
	log.Append(0, "alice", kafka.Message{}, kafka.Message{}, kafka.Message{})
	log.Finish()
	registry := prometheus.NewRegistry() // serve it by promhttp.HandlerFor
	err := stream.From[kafka.Message](nil).
		CommitEach().
		Run(context.Background(), log.Source(), stream.Named("billing"), stream.Observe(ops.Measure(registry)))
	if err != nil {
		fmt.Println(err)
	}
	families, _ := registry.Gather()
	for _, f := range families {
		if f.GetName() == "laneway_records_handled_total" {
			fmt.Println(f.GetHelp(), f.Metric[0].Counter.GetValue())
		}
	}
	// Output: Records that were finished, whatever became of them. 3
}

// Whoever reads what this worker writes goes on with the trace of the record that it came from.
func ExampleInject() {
	provider := sdk.NewTracerProvider() // with an exporter, in a worker
	out := sink.Slice[kafka.Message]()
	err := source.Slice(kafka.Message{Value: []byte("an order")}).
		Map(ops.Inject).
		To(out).
		Run(context.Background(), stream.Observe(ops.Trace(provider)))
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
