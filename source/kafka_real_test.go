package source_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kgo"
)

func codecs() map[string]kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
}

func TestKafkaCodecsRealKafka(t *testing.T) {
	brokers := kafkatest.Real(t)
	k := kafkatest.At(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := k.Topic(3)
	for _, codec := range codecs() {
		c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codec))
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, topic, 3, 1000)
		c.Close()
	}
	group := kafkatest.Name("source")
	got := newRecorder()
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}}).GroupByPartition().Concurrent(4, got.record).CommitEvery(500, 50*time.Millisecond))
	next := make([]int64, 3)
	for _, m := range got.wait(t, 15000) {
		if m.Offset != next[m.Partition] || string(m.Value) != fmt.Sprintf("%d/%d", m.Partition, m.Offset%1000) {
			t.Fatalf("partition %d at %d: offset %d, %q", m.Partition, next[m.Partition], m.Offset, m.Value)
		}
		next[m.Partition]++
	}
	r.stop()
	if c := k.Committed(group, topic); !maps.Equal(c, each(3, 5000)) {
		t.Errorf("committed: %v", c)
	}
}

func TestKafkaAbortedTransactionsRealKafka(t *testing.T) {
	brokers := kafkatest.Real(t)
	k := kafkatest.At(t, brokers)
	topic := k.Topic(1)
	tx, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(kafkatest.Name("tx")))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i := range 10 {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := tx.EndTransaction(t.Context(), kgo.TransactionEndTry(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	group := kafkatest.Name("source")
	got := newRecorder()
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}}).Serial(got.record).CommitEvery(1, 0))
	for i, m := range got.wait(t, 5) {
		if string(m.Value) != fmt.Sprint(2*i) {
			t.Errorf("record %d: %q", i, m.Value)
		}
	}
	k.WaitCommitted(group, topic, map[int32]int64{0: 20}) // after the last marker, so no lag remains
	r.stop()
}

func TestKafkaTLSAndSCRAMRealKafka(t *testing.T) {
	at := kafkatest.RealSecured(t)
	k := kafkatest.At(t, kafkatest.Real(t), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := k.Topic(2)
	write(t, k.Client, topic, 2, 100)
	m, err := scram.Mechanism(scram.SHA512, at.User, at.Password)
	if err != nil {
		t.Fatal(err)
	}
	cfg := source.KafkaConfig{Brokers: at.Brokers, Group: kafkatest.Name("source"), Topics: []string{topic}, Transport: &kafka.Transport{TLS: at.TLS, SASL: m}}
	got := newRecorder()
	r := run(t, source.Kafka(cfg).Serial(got.record).CommitEach())
	got.wait(t, 200)
	r.stop()

	wrong, err := scram.Mechanism(scram.SHA512, at.User, "guessed")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Transport = &kafka.Transport{TLS: at.TLS, SASL: wrong}
	var auth *kafkaerr.AuthError
	if err := run(t, source.Kafka(cfg).Serial(got.record).CommitEach()).result(); !errors.As(err, &auth) {
		t.Errorf("wrong password: %v", err)
	}
	cfg.Transport = &kafka.Transport{SASL: m}
	cfg.ConnectTimeout = time.Second
	if err := run(t, source.Kafka(cfg).Serial(got.record).CommitEach()).result(); err == nil {
		t.Error("no error without TLS")
	} else {
		t.Log(err)
	}
}

func TestKafkaMissingTopicRealKafka(t *testing.T) {
	topic := kafkatest.Name("missing")
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: kafkatest.Real(t), Group: kafkatest.Name("source"), Topics: []string{topic}, UnknownTopicTimeout: time.Second}).
		Serial(newRecorder().record).CommitEach())
	var missing *kafkaerr.TopicError
	if err := r.result(); !errors.As(err, &missing) || missing.Topic != topic {
		t.Errorf("error: %v", err)
	}
}

func TestKafkaOffsetResetRealKafka(t *testing.T) {
	brokers := kafkatest.Real(t)
	k := kafkatest.At(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := k.Topic(1)
	write(t, k.Client, topic, 1, 50)
	resets := make(chan stream.OffsetReset, 10)
	got := newRecorder()
	span := map[stream.TopicPartition]source.Span{{Topic: topic}: {From: source.AtOffset(500)}}
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Partitions: span}).Serial(got.record), stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if x, ok := e.(stream.OffsetReset); ok {
			resets <- x
		}
	}}))
	got.wait(t, 50)
	if x := <-resets; x.From != 500 || x.To != 0 {
		t.Errorf("reset: %+v", x)
	}
	r.stop()
}

func TestKafkaSurvivesARestartRealKafka(t *testing.T) {
	t.Parallel()
	kafkatest.Real(t)
	b := kafkatest.Own(t)
	k := kafkatest.At(t, b.Brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := k.Topic(2)
	group := kafkatest.Name("source")
	got := newRecorder()
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: b.Brokers, Group: group, Topics: []string{topic}}).GroupByKey().Concurrent(8, got.record).CommitEvery(10, 10*time.Millisecond))
	write(t, k.Client, topic, 2, 50)
	got.wait(t, 100)
	for i, restart := range []func(){b.Kill, b.Stop} {
		k.WaitCommitted(group, topic, each(2, int64(50*(i+1))))
		restart()
		b.Start()
		write(t, k.Client, topic, 2, 50)
		got.wait(t, 100*(i+2))
	}
	r.stop()
	if c := k.Committed(group, topic); !maps.Equal(c, each(2, 150)) {
		t.Errorf("committed: %v", c)
	}
}
