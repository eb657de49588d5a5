package source_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// sleeperVar makes the test binary a worker that reads from the broker in the variable.
const sleeperVar = "LANEWAY_SLEEPER"

// sleeper prints the records that it starts and the partitions that it loses. Its handlers wait
// until it reads a line.
func sleeper(broker string) int {
	release := make(chan struct{})
	go func() {
		defer close(release)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the end of the input releases them too
	}()
	cfg := source.KafkaConfig{Brokers: []string{broker}, Group: "billing", Topics: []string{"orders"},
		SessionTimeout: 3 * time.Second, HeartbeatInterval: 200 * time.Millisecond}
	err := source.Kafka(cfg).GroupByPartition().Serial(func(_ context.Context, m kafka.Message) error {
		fmt.Printf("started %d %d\n", m.Partition, m.Offset)
		<-release
		return nil
	}).CommitEvery(1, 0).Run(context.Background(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if x, ok := e.(stream.Lost); ok {
			fmt.Printf("lost %d 0\n", x.Partition)
		}
	}}))
	fmt.Println(err)
	return 1
}

// A process that was suspended for longer than its session has results and records ready when it
// wakes. It must notice that its partitions may belong to others before it starts a record.
func TestKafkaSuspendedProcess(t *testing.T) {
	const partitions, records = 8, 20
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	write(t, producer(t, k), "orders", partitions, records)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), sleeperVar+"="+k.ListenAddrs()[0])
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it does not end on its own
		_ = cmd.Wait()
	}()
	output := bufio.NewScanner(out)
	next := func() (what string, partition, offset int) {
		output.Scan()
		if _, err := fmt.Sscan(output.Text(), &what, &partition, &offset); err != nil {
			t.Fatalf("it printed %q", output.Text())
		}
		return what, partition, offset
	}
	for range partitions { // one record in each: all handlers wait now
		if what, _, offset := next(); what != "started" || offset != 0 {
			t.Fatalf("it printed %q", output.Text())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	kafkatest.At(t, k.ListenAddrs()).WaitMembers("billing", 0) // its session has expired
	if _, err := fmt.Fprintln(in, "continue"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	lost, finished := map[int]bool{}, map[int]bool{}
	for len(finished) < partitions {
		what, partition, offset := next()
		switch {
		case what == "lost":
			lost[partition] = true
		case !lost[partition]:
			t.Errorf("started record %[2]d of partition %[1]d before it reported the partition lost", partition, offset)
		}
		if what == "started" && offset == records-1 {
			finished[partition] = true
		}
	}
}
