package source

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// readOn runs a pipeline and returns the offsets that it handles.
func readOn(t *testing.T, l *stateLog) <-chan int64 {
	src := newKafkaSource(l.config())
	handled := make(chan int64, 1000)
	p, err := stream.From(func() stream.Source[kafka.Message] { return src }).
		Serial(func(_ context.Context, m kafka.Message) error { handled <- m.Offset; return nil }).
		CommitEvery(1, 0).
		Build()
	if err != nil {
		t.Fatal(err)
	}
	running(t, p)
	return handled
}

// A broker that refuses a state, for whatever reason, does not keep a partition from being read.
func TestRefusedStateIsReadOn(t *testing.T) {
	for name, prepare := range map[string]func(c *kfake.Cluster){
		"where no metadata is taken": func(c *kfake.Cluster) { limitStates(c, 0) },
		"after an error without a cause": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownServerError, Count: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.Fake(t)
			prepare(c)
			l := newStateLog(t, c.ListenAddrs())
			l.Append(10)
			handled := readOn(t, l)
			for _, what := range []string{"first", "second"} {
				for i := range 10 {
					select {
					case <-handled:
					case <-time.After(20 * time.Second):
						t.Fatalf("%d of the %s 10 records are handled", i, what)
					}
				}
				if what == "first" {
					l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
					l.Append(10)
				}
			}
		})
	}
}
