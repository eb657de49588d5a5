package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
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

// serve is a broker with the topics of the benchmarks, until its standard input ends.
func serve() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topicW1), kfake.SeedTopics(partitions, topicW2))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const (
	partitions = 8
	topicW1    = "w1"
	topicW2    = "w2"
	recordsW1  = 400_000
	recordsW2  = 20_000
)

// broker returns the address of a broker with both topics filled: KAFKA_BROKERS, or one in a process of its own.
func broker(b *testing.B) string {
	b.Helper()
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
	addr = strings.TrimSpace(addr)
	fill(b, addr, topicW1, recordsW1)
	fill(b, addr, topicW2, recordsW2)
	return addr
}

// fill produces n records of 200 B with 1,000 keys.
func fill(b *testing.B, addr, topic string, n int) {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(n))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	value := make([]byte, 200)
	for i := range value {
		value[i] = byte(i * 7)
	}
	for i := range n {
		cl.Produce(context.Background(), &kgo.Record{Key: keys[i*7919%1000], Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := cl.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
}
