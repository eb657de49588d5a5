package bench

import (
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) {
	if testbed.Serve() || serveRival() {
		return
	}
	os.Exit(m.Run())
}

// broker returns the broker of KAFKA_BROKERS, or kfake in a process of its own.
func broker(b testing.TB) *kafkatest.Kafka {
	b.Helper()
	if real := os.Getenv("KAFKA_BROKERS"); real != "" {
		b.Log("broker: Apache Kafka", os.Getenv("KAFKA_VERSION"))
		return kafkatest.At(b, strings.Split(real, ","), testbed.Uncompressed)
	}
	b.Log("broker: kfake in a process of its own")
	addr, stop, err := testbed.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	return kafkatest.At(b, []string{addr}, testbed.Uncompressed)
}

// filled makes a topic with n records of size bytes, 1,000 keys over 8 partitions.
func filled(k *kafkatest.Kafka, n, size int) (topic string) {
	topic = k.Topic(testbed.Partitions)
	// Produce ends the benchmark if it fails.
	_ = testbed.Fill(n, size, testbed.Even(), func(rs []*kgo.Record) error {
		k.Produce(topic, rs...)
		return nil
	})
	return topic
}
