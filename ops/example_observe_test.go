package ops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// untimed writes log lines without the parts that change from run to run.
func untimed() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" {
			return slog.Attr{}
		}
		return a
	}}))
}

func ExampleLog() {
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
		Run(context.Background(), log.Source(), stream.Named("pricing"), stream.Observe(ops.Log(untimed())))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg="partition assigned" pipeline=pricing code=LW501 topic=orders partition=0 offset=0 epoch=1
	// level=WARN msg="failed, it is skipped" pipeline=pricing code=LW512 topic=orders partition=0 offset=1 key=bob step=price attempt=1 error="not a price"
	// level=INFO msg="partition revoked" pipeline=pricing code=LW502 topic=orders partition=0 epoch=1 committed=2 unfinished=0 uncommitted=0
	// level=INFO msg=ended pipeline=pricing code=LW519
}
