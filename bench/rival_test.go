package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

// rival is a Kafka client. It reads a topic in a fresh group, calls handle for each record until
// ctx ends, and returns when their offsets are committed.
type rival struct {
	name  string
	keyed bool // order is kept by key instead of by partition
	read  func(ctx context.Context, t task, handle func(partition int32, offset int64)) error
}

// task is the job of a rival. Its process gets it as JSON.
type task struct {
	Rival, Broker, Group, Topic string
	Records                     int
	Takes                       time.Duration // duration of a handler
}

// figures are the measurements of a rival's process. Wall is from the start of the client to the
// last commit.
type figures struct {
	Wall, CPU time.Duration
	PeakMiB   float64
	Err       string
}

var (
	franz = rival{"franz-go", false, func(ctx context.Context, t task, handle func(int32, int64)) error {
		return testbed.Franz(ctx, []string{t.Broker}, t.Group, t.Topic, func(r *kgo.Record) bool {
			handle(r.Partition, r.Offset)
			return true
		})
	}}
	ours = rival{"laneway", false, func(ctx context.Context, t task, handle func(int32, int64)) error {
		return t.worker(ctx, func(s chain) chain { return s.GroupByPartition().Serial(handler(handle)) })
	}}
	oursKeyed = rival{"laneway keyed", true, func(ctx context.Context, t task, handle func(int32, int64)) error {
		return t.worker(ctx, func(s chain) chain { return keyed(s, 64, handler(handle)) })
	}}
	// reader's settings: MinBytes 1, MaxBytes 10 MB, MaxWait 100 ms, QueueCapacity 10,000, a commit
	// per 10,000 records.
	reader = rival{"kafka.Reader", false, func(_ context.Context, t task, handle func(int32, int64)) error {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{t.Broker}, GroupID: t.Group, Topic: t.Topic, MinBytes: 1, MaxBytes: 10e6,
			MaxWait: 100 * time.Millisecond, QueueCapacity: 10_000, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 100 * time.Millisecond})
		var batch []kafka.Message
		for i := range t.Records {
			m, err := r.FetchMessage(context.Background())
			if err != nil {
				return err
			}
			handle(int32(m.Partition), m.Offset)
			if batch = append(batch, m); len(batch) == 10_000 || i == t.Records-1 {
				if err := r.CommitMessages(context.Background(), batch...); err != nil {
					return err
				}
				batch = batch[:0]
			}
		}
		return nil // without Close, which takes seconds: the process ends anyway
	}}
	rivals = []rival{franz, ours, oursKeyed, reader}
)

func handler(handle func(int32, int64)) func(context.Context, message) error {
	return func(_ context.Context, m message) error {
		handle(int32(m.Partition), m.Offset)
		return nil
	}
}

// worker runs a worker until ctx ends. The drain commits all records.
func (t task) worker(ctx context.Context, work func(chain) chain) error {
	return work(fromKafka([]string{t.Broker}, t.Group, t.Topic)).CommitEvery(1_000_000, time.Second).Run(ctx)
}

// rivalRole in the environment makes this process a rival.
const rivalRole = "LANEWAY_BENCH_RIVAL"

// serveRival runs a rival's task if this process was started for one, and reports whether it did.
func serveRival() bool {
	said := os.Getenv(rivalRole)
	if said == "" {
		return false
	}
	var t task
	var f figures
	err := json.Unmarshal([]byte(said), &t)
	if err == nil {
		f, err = t.do()
	}
	if err != nil {
		f.Err = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		os.Exit(1)
	}
	return true
}

func (t task) do() (f figures, err error) {
	r := rivals[slices.IndexFunc(rivals, func(r rival) bool { return r.name == t.Rival })]
	var keys *testbed.Sequence
	if r.keyed {
		keys = testbed.Even()
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	judge := testbed.NewJudge(keys, testbed.Lanes(keys, make([]int64, testbed.Partitions), testbed.Even().Ends(t.Records)), func() {}, stop)
	handle := judge.Handled
	if t.Takes > 0 {
		handle = func(partition int32, offset int64) {
			time.Sleep(t.Takes)
			judge.Handled(partition, offset)
		}
	}
	start := time.Now()
	if err := r.read(ctx, t, handle); err != nil {
		return f, err
	}
	f.Wall, f.CPU, f.PeakMiB = time.Since(start), cpu(), peak()
	if disordered, missing := judge.Verdict(); disordered != 0 || missing != 0 {
		return f, fmt.Errorf("%d records out of order or repeated, %d missing", disordered, missing)
	}
	return f, nil
}

// measure runs a rival in a process of its own, so that its time, memory and garbage collection are
// its own.
func (r rival) measure(b testing.TB, k *kafkatest.Kafka, topic string, n int, takes time.Duration) figures {
	b.Helper()
	said, err := json.Marshal(task{Rival: r.name, Broker: k.Brokers[0], Group: kafkatest.Name("bench"), Topic: topic, Records: n, Takes: takes})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), rivalRole+"="+string(said))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var f figures
	err = errors.Join(err, json.Unmarshal(out, &f))
	if f.Err != "" {
		err = errors.Join(err, errors.New(f.Err))
	}
	if err != nil {
		b.Fatalf("%s: %v", r.name, err)
	}
	return f
}

// peak returns the most memory that this process has held, in MiB, or 0 without /proc.
func peak() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	kib := 0.0
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &kib)
	}
	return kib / 1024
}

func TestRivals(t *testing.T) {
	// This only shows that the rivals work, with few records.
	t.Run("read everything in order", func(t *testing.T) {
		k := broker(t)
		topic := filled(k, 4000, 200)
		for _, r := range rivals {
			t.Run(r.name, func(t *testing.T) { r.measure(t, k, topic, 4000, 0) })
		}
	})
}
