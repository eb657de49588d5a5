package sink_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A halt above a Kafka transaction is in the metadata of the group's offset.
func TestKafkaTransactionHalt(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  []kfake.Opt
		limit bool // a broker refuses states
	}{
		"survives a restart":                         {},
		"survives a restart on brokers of 3.6":       {opts: []kfake.Opt{kfake.MaxVersions(kversion.V3_6_0())}},
		"is tried again where brokers refuse states": {limit: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.Fake(t, tc.opts...)
			k := kafkatest.At(t, c.ListenAddrs())
			in, out, group := k.Topic(1), k.Topic(1), kafkatest.Name("group")
			k.Produce(in, &kgo.Record{Value: []byte("fine")}, &kgo.Record{Value: []byte("poison")}, &kgo.Record{Value: []byte("fine")})
			if tc.limit {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: 1})
			}
			var tried atomic.Int32
			for life := range int32(3) {
				halted := make(chan stream.Halt, 1)
				p, err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{in}, SessionTimeout: 3 * time.Second, HeartbeatInterval: 100 * time.Millisecond}).
					MapSerial(func(_ context.Context, m kafka.Message) (kafka.Message, error) {
						if string(m.Value) == "poison" {
							tried.Add(1)
							return m, errors.New("boom")
						}
						return m, nil
					}).HaltOnError().
					CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, "copy"), 50, 20*time.Millisecond).
					Build(stream.BuildID("v1"), stream.Observe(stream.Observer{Event: func(e stream.Event) {
						if h, ok := e.(stream.Halted); ok {
							halted <- h.Halt
						}
					}}))
				if err != nil {
					t.Fatal(err)
				}
				stop := running(t, p)
				h := <-halted
				// refused once: all later lives try it, since each stores it again in vain or not
				// at all
				want, restored := int32(1), life > 0
				if tc.limit {
					want, restored = min(life+1, 2), life > 1
				}
				if tried.Load() != want || h.Restored != restored || h.Meta.Offset != 1 {
					t.Errorf("life %d: tried %d times, want %d; halted: %+v", life, tried.Load(), want, h)
				}
				stop()
				k.WaitCommitted(group, in, map[int32]int64{0: 1})
			}
		})
	}
}
