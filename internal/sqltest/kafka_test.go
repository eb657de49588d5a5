package sqltest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Somebody moves the offset in the database, as another owner or an operator does, while a worker
// has the partition and the group says otherwise.
func TestAPartitionOfAGroupGoesOnWhereTheDatabaseSays(t *testing.T) {
	goesOnWhereTheDatabaseSays(t, kafkatest.Fake(t).ListenAddrs())
}

func TestAPartitionOfARealKafkaGroupGoesOnWhereTheDatabaseSays(t *testing.T) {
	goesOnWhereTheDatabaseSays(t, kafkatest.Real(t))
}

func goesOnWhereTheDatabaseSays(t *testing.T, brokers []string) {
	k, b := kafkatest.At(t, brokers), newSQLite(t)
	topic, group := k.Topic(1), kafkatest.Name("group")
	produce := func(n int) {
		for range n {
			k.Produce(topic, &kgo.Record{Topic: topic})
		}
	}
	produce(6)
	makeTable(t, b)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	committed, lost := make(chan int64, 100), make(chan error, 100)
	p, err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, MaxWait: 100 * time.Millisecond}).
		GroupByKey().
		MapConcurrent(8, func(_ context.Context, m kafka.Message) (result, error) { return result{m.Partition, m.Offset}, nil }).
		CommitWith(sink.SQL(b.open(), insert), 100, 10*time.Millisecond).
		Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
			switch e := e.(type) {
			case stream.Committed:
				committed <- e.Offsets[stream.TopicPartition{Topic: topic}]
			case stream.Lost:
				lost <- e.Err
			}
		}}))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	await := func(offset int64) {
		t.Helper()
		for {
			select {
			case at := <-committed:
				if at == offset {
					return
				}
			case err := <-ended:
				t.Fatalf("it ended before it was at %d: %v", offset, err)
			}
		}
	}
	await(6)
	b.exec(`DELETE FROM results`)
	b.exec(`UPDATE laneway_offsets SET next_offset = 2`)
	produce(1)
	await(7)
	if got, want := b.written(0), []int64{2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("written again are %v, want %v", got, want)
	}
	var fenced *stream.FencedError
	if err := <-lost; !errors.As(err, &fenced) {
		t.Errorf("the partition was lost for another reason: %v", err)
	}
	k.WaitCommitted(group, topic, map[int32]int64{0: 7}) // for tools that show the lag
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The topic is deleted and made again, while the worker is down and while it runs: the row that
// says where the old one was says nothing of the new one.
func TestATopicThatWasMadeAgainIsReadFromItsBeginning(t *testing.T) {
	recreatedTopic(t, kafkatest.Fake(t).ListenAddrs())
}

func TestATopicThatWasMadeAgainOnRealKafkaIsReadFromItsBeginning(t *testing.T) {
	recreatedTopic(t, kafkatest.Real(t))
}

func recreatedTopic(t *testing.T, brokers []string) {
	for name, running := range map[string]bool{"while the worker is down": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			k, b := kafkatest.At(t, brokers), newSQLite(t)
			topic, group := k.Topic(1), kafkatest.Name("group")
			produce := func(n int) {
				for range n {
					k.Produce(topic, &kgo.Record{})
				}
			}
			makeTable(t, b)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			work := func() (await func(offset int64), stop func(), told chan stream.TopicRecreated) {
				committed, told := make(chan int64, 1000), make(chan stream.TopicRecreated, 10)
				p, err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, MaxWait: 100 * time.Millisecond}).
					GroupByKey().
					MapConcurrent(8, func(_ context.Context, m kafka.Message) (result, error) { return result{m.Partition, m.Offset}, nil }).
					CommitWith(sink.SQL(b.open(), insert), 5, 10*time.Millisecond).
					Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
						switch e := e.(type) {
						case stream.Committed:
							committed <- e.Offsets[stream.TopicPartition{Topic: topic}]
						case stream.TopicRecreated:
							told <- e
						}
					}}))
				if err != nil {
					t.Fatal(err)
				}
				run, end := context.WithCancel(ctx)
				ended := make(chan error, 1)
				go func() { ended <- p.Run(run) }()
				return func(offset int64) {
						t.Helper()
						for {
							select {
							case at := <-committed:
								if at == offset {
									return
								}
							case err := <-ended:
								t.Fatalf("it ended before it was at %d: %v", offset, err)
							}
						}
					}, func() {
						t.Helper()
						end()
						if err := <-ended; err != nil {
							t.Error(err)
						}
					}, told
			}
			produce(10)
			await, stop, told := work()
			await(10)
			if !running {
				stop()
			}
			b.exec(`DELETE FROM results`)
			k.Recreate(topic, 1)
			produce(30)
			if !running {
				await, stop, told = work()
			}
			await(30)
			stop()
			var want []int64
			for n := range int64(30) {
				want = append(want, n)
			}
			if got := b.written(0); !slices.Equal(got, want) {
				t.Errorf("of the new topic %v were written", got)
			}
			if e := <-told; e.Offset != 10 || e.Topic != topic || e.Old == e.New {
				t.Errorf("told was %+v", e)
			}
		})
	}
}
