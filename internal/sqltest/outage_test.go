package sqltest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestAnOutageOfTheDatabaseInARebalanceEndsNoWorker(t *testing.T) {
	outage(t, kafkatest.Fake(t).ListenAddrs())
}

func TestAnOutageOfTheDatabaseInARealKafkaRebalanceEndsNoWorker(t *testing.T) {
	outage(t, kafkatest.Real(t))
}

// outage lets a second worker join a group, whose share it is given while the database is silent.
func outage(t *testing.T, brokers []string) {
	const half = 10 // of each partition's records
	b := newPostgres(t)
	p, dsn := throughProxy(t, b.dsn)
	k := kafkatest.At(t, brokers)
	topic, group := k.Topic(partitions), kafkatest.Name("group")
	produce := func() {
		for part := range int32(partitions) {
			for range half {
				k.Produce(topic, &kgo.Record{Topic: topic, Partition: part})
			}
		}
	}
	makeTable(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lost, failed := make(chan stream.Lost, 100), make(chan struct{}, 100)
	work := func(opened func()) (*stream.Pipeline, chan error) {
		db := (&backend{t: t, driver: b.driver, dsn: dsn}).open()
		p, err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, MaxWait: 100 * time.Millisecond,
			HeartbeatInterval: 100 * time.Millisecond}).
			GroupByKey().
			MapConcurrent(8, func(_ context.Context, m kafka.Message) (result, error) { return result{m.Partition, m.Offset}, nil }).
			CommitWith(watchedOpen{sink.SQL(db, insert), opened}, 100, 10*time.Millisecond, stream.Named("book"), stream.Timeout(time.Second)).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 2}).
			HaltOnError().
			Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
				switch e := e.(type) {
				case stream.Retrying:
					if strings.Contains(e.Err.Error(), "restoring offsets") {
						failed <- struct{}{}
					}
				case stream.Lost:
					lost <- e
				}
			}}))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		return p, ended
	}

	produce()
	first, firstEnded := work(func() {})
	k.WaitCommitted(group, topic, map[int32]int64{0: half, 1: half})
	second, secondEnded := work(p.silence)
	for range 3 { // one more than its policy allows to a transaction
		select {
		case <-failed:
		case err := <-secondEnded:
			t.Fatalf("the second worker has ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("the second worker was not assigned anything: %v", second.Ready())
		}
	}
	if err := second.Ready(); err == nil || !strings.Contains(err.Error(), "for book to restore its offset") {
		t.Errorf("Ready: %v", err)
	}
	p.speak()
	produce()
	k.WaitCommitted(group, topic, map[int32]int64{0: 2 * half, 1: 2 * half})
	for part := range partitions {
		if got := b.written(part); len(got) != 2*half || got[0] != 0 || got[2*half-1] != 2*half-1 {
			t.Errorf("partition %d: written are %v", part, got)
		}
	}
	for _, w := range []*stream.Pipeline{first, second} {
		if err := w.Ready(); err != nil {
			t.Error(err)
		}
	}
	select {
	case l := <-lost:
		t.Errorf("%v was lost: %v", l.TopicPartition, l.Err)
	default:
	}
	cancel()
	for _, ended := range []chan error{firstEnded, secondEnded} {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// watchedOpen tells when it is open, before its pipeline joins the group.
type watchedOpen struct {
	stream.Transactor[result]
	opened func()
}

func (w watchedOpen) PerPartition() bool { return true }

func (w watchedOpen) Open(ctx context.Context) error {
	defer w.opened()
	return w.Transactor.(interface{ Open(context.Context) error }).Open(ctx)
}
