package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

// brokerRole in the environment makes this test binary a broker, so that the broker's work is not counted as a client's.
const brokerRole = "LANEWAY_BENCH_BROKER"

func TestMain(m *testing.M) {
	if os.Getenv(brokerRole) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve is a broker until its standard input ends.
func serve() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const partitions = 8

// broker returns a broker: that of KAFKA_BROKERS, or an in-process one in a process of its own.
func broker(b *testing.B) *kafkatest.Kafka {
	b.Helper()
	if real := os.Getenv("KAFKA_BROKERS"); real != "" {
		b.Log("broker: Apache Kafka", os.Getenv("KAFKA_VERSION"))
		return kafkatest.At(b, strings.Split(real, ","), uncompressed)
	}
	b.Log("broker: kfake in a process of its own")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerRole+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return kafkatest.At(b, []string{strings.TrimSpace(addr)}, uncompressed)
}

// uncompressed: what is measured is the worker, not a decompressor.
var uncompressed = kgo.ProducerBatchCompression(kgo.NoCompression())

// filled makes a topic with n records of size bytes, 1,000 keys over 8 partitions.
func filled(k *kafkatest.Kafka, n, size int) (topic string) {
	topic = k.Topic(partitions)
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i * 7)
	}
	const atOnce = 20_000 // bounds this process's memory
	for from := 0; from < n; from += atOnce {
		rs := make([]*kgo.Record, min(atOnce, n-from))
		for i := range rs {
			key := (from + i) * 7919 % 1000
			rs[i] = &kgo.Record{Partition: int32(key % partitions), Key: keys[key], Value: value}
		}
		k.Produce(topic, rs...)
	}
	return topic
}
