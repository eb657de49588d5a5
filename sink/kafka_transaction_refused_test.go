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
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The user may not read one of the topics anymore, or the broker refuses its offset for another
// reason that is not the group's.
func TestKafkaTransactionRefusedForAPartition(t *testing.T) {
	for name, tc := range map[string]struct {
		opts []kfake.Opt
		err  *kerr.Error
		want kafka.Error
	}{
		"not authorised":                   {err: kerr.TopicAuthorizationFailed, want: kafka.TopicAuthorizationFailed},
		"not authorised by brokers of 3.6": {err: kerr.TopicAuthorizationFailed, want: kafka.TopicAuthorizationFailed, opts: []kfake.Opt{kfake.MaxVersions(kversion.V3_6_0())}},
		"an odd code":                      {err: kerr.InvalidCommitOffsetSize, want: kafka.InvalidCommitOffsetSize},
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.Fake(t, tc.opts...)
			k := kafkatest.At(t, c.ListenAddrs())
			orders, audit, out, group := k.Topic(1), k.Topic(1), k.Topic(1), kafkatest.Name("group")
			var mended atomic.Bool
			id := c.TopicInfo(audit).TopicID
			c.ControlKey(int16(kmsg.TxnOffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if mended.Load() {
					return nil, nil, false
				}
				return refusal(r.(*kmsg.TxnOffsetCommitRequest), audit, id, tc.err.Code)
			})
			told := make(chan stream.CommitFailed, 100)
			p, err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{orders, audit}, HeartbeatInterval: 100 * time.Millisecond}).
				MapSerial(func(_ context.Context, m kafka.Message) (kafka.Message, error) {
					return kafka.Message{Value: m.Value}, nil
				}).
				CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, group), 50, 20*time.Millisecond).
				Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
					if e, ok := e.(stream.CommitFailed); ok {
						told <- e
					}
				}}))
			if err != nil {
				t.Fatal(err)
			}
			k.Produce(audit, &kgo.Record{Value: []byte("a")}, &kgo.Record{Value: []byte("a")})
			k.Produce(orders, &kgo.Record{Value: []byte("o")}, &kgo.Record{Value: []byte("o")})
			stop := running(t, p)
			e := <-told
			if denied := new(kafkaerr.TopicError); e.Topic != audit || !errors.As(e.Err, &denied) || denied.Topic != audit || !errors.Is(e.Err, tc.want) {
				t.Errorf("told of %v: %v; want %s", e.TopicPartition, e.Err, audit)
			}
			k.WaitCommitted(group, orders, map[int32]int64{0: 2})
			mended.Store(true)
			k.WaitCommitted(group, audit, map[int32]int64{0: 2})
			stop()
			if got := values(k.Records(out)); len(got) != 4 {
				t.Errorf("written: %v", got)
			}
		})
	}
}

// refusal answers a request that has an offset of a topic, and refuses that one alone.
func refusal(req *kmsg.TxnOffsetCommitRequest, topic string, id [16]byte, code int16) (kmsg.Response, error, bool) {
	resp, has := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse), false
	for _, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			if rp.Partition = p.Partition; t.Topic == topic || t.TopicID == id {
				rp.ErrorCode, has = code, true
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil, has
}
