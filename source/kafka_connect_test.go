package source_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestKafkaConnect(t *testing.T) {
	t.Run("never creates a topic, and names the missing one", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.AllowAutoTopicCreation())
		cfg := config(k)
		cfg.UnknownTopicTimeout = 300 * time.Millisecond
		r := run(t, source.Kafka(cfg).Serial(newRecorder().record).CommitEach())
		var missing *kafkaerr.TopicError
		if err := r.result(); !errors.As(err, &missing) || missing.Topic != "orders" || !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Fatalf("error: %v", err)
		}
		if k.TopicInfo("orders") != nil {
			t.Error("reading the topic created it")
		}
	})
	t.Run("waits for a new topic", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1))
		got := newRecorder()
		l := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEach())
		l.await("connecting")
		if l.Ready() == nil {
			t.Error("ready without its topic")
		}
		if err := k.CreateTopic("orders", 1, nil); err != nil {
			t.Fatal(err)
		}
		write(t, producer(t, k), "orders", 1, 10)
		got.wait(t, 10)
		if err := l.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		l.stop()
	})
	t.Run("fails for a topic that stays unknown, and reads the others until then", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, k, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
			write(t, k.Client, "orders", 1, 10)
			cfg, got := config(c), newRecorder()
			cfg.Transport, cfg.Topics = transport, []string{"audit", "orders"}
			start := time.Now()
			r := run(t, source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0))
			got.wait(t, 10)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("the others were read after %v", took)
			}
			var missing *kafkaerr.TopicError
			if err := <-r.ended; !errors.As(err, &missing) || missing.Topic != "audit" {
				t.Errorf("error: %v", err)
			}
			if took := time.Since(start); took < time.Minute || took > 2*time.Minute {
				t.Errorf("it ended after %v", took)
			}
		})
	})
	t.Run("fails after ConnectTimeout", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: []string{l.Addr().String()}, Group: "g", Topics: []string{"orders"}, ConnectTimeout: 600 * time.Millisecond}).
			Serial(newRecorder().record).CommitEach())
		var unreachable *kafkaerr.UnreachableError
		if err := r.result(); !errors.As(err, &unreachable) {
			t.Fatalf("error: %v", err)
		}
	})
	t.Run("stops at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := source.KafkaConfig{Brokers: []string{"127.0.0.1:1"}, Transport: new(kafka.Transport), Group: "g", Topics: []string{"orders"}}
			kafkatest.Freeze(cfg.Transport, cfg.Brokers...)
			r := run(t, source.Kafka(cfg).Serial(newRecorder().record).CommitEach())
			synctest.Wait() // it waits for the broker
			start := time.Now()
			r.stop()
			if took := time.Since(start); took != 0 {
				t.Errorf("stopping took %v", took)
			}
		})
	})
	t.Run("stops without an error in each step", func(t *testing.T) {
		for _, step := range []kmsg.Key{kmsg.ApiVersions, kmsg.Metadata, kmsg.DescribeConfigs, kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.OffsetFetch, kmsg.ListOffsets, kmsg.Fetch} {
			t.Run(step.Name(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k, _, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
					held, release := make(chan struct{}), make(chan struct{})
					var once atomic.Bool // kfake locks up if several sleep and wake together
					k.ControlKey(int16(step), func(kmsg.Request) (kmsg.Response, error, bool) {
						k.KeepControl()
						if once.CompareAndSwap(false, true) {
							close(held)
							k.SleepControl(func() { <-release })
						}
						return nil, nil, false
					})
					cfg := config(k)
					cfg.Transport = transport
					r := run(t, source.Kafka(cfg).Serial(newRecorder().record).CommitEach())
					<-held
					synctest.Wait()
					start := time.Now()
					r.stop()
					if took := time.Since(start); took > 5*time.Second {
						t.Errorf("stopping took %v", took)
					}
					close(release)
					synctest.Wait() // kfake locks up, too, if it is closed meanwhile
				})
			})
		}
	})
	t.Run("fails at once without authorisation", func(t *testing.T) {
		for name, f := range map[string]kfake.Fault{
			"topic": {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1},
			"group": {Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, Count: -1},
		} {
			t.Run(name, func(t *testing.T) {
				k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
				k.Fault(f)
				r := run(t, source.Kafka(config(k)).Serial(newRecorder().record).CommitEach())
				err := r.result()
				if !errors.Is(err, kafka.TopicAuthorizationFailed) && !errors.Is(err, kafka.GroupAuthorizationFailed) {
					t.Fatalf("error: %v", err)
				}
			})
		}
	})
}
