package kafkatest

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Member is Java's console consumer as a member of a group.
type Member struct {
	t   testing.TB
	cmd *exec.Cmd
	out lines
	err bytes.Buffer // read only after the process has ended

	ended bool
}

// JavaMember starts Java's console consumer of the broker's release. It reads the topic from the
// beginning as a member of the group. The assignor is a class of org.apache.kafka.clients.consumer,
// such as "CooperativeStickyAssignor" or "RangeAssignor". The consumer ends with the test, which is
// skipped or fails like with [Real].
func JavaMember(t testing.TB, group, topic, assignor string) *Member {
	t.Helper()
	line := strings.Fields(variable(t, "KAFKA_CONSOLE_CONSUMER"))
	args := append(line[1:], "--bootstrap-server", strings.Join(Real(t), ","), "--topic", topic, "--group", group, "--from-beginning",
		"--consumer-property", "partition.assignment.strategy=org.apache.kafka.clients.consumer."+assignor,
		"--consumer-property", "auto.commit.interval.ms=200",
		"--property", "print.partition=true", "--property", "print.offset=true")
	m := &Member{t: t, cmd: exec.Command(line[0], args...), out: lines{changed: make(chan struct{})}}
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.err
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("kafkatest: starting Java's console consumer: %v", err)
	}
	t.Cleanup(m.Kill)
	return m
}

// ConsumerGroups runs Kafka's own tool, kafka-consumer-groups, and returns what it prints. The test
// is skipped or fails like with [Real].
func ConsumerGroups(t testing.TB, args ...string) string {
	t.Helper()
	line := strings.Fields(variable(t, "KAFKA_CONSUMER_GROUPS"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], append(append(line[1:], "--bootstrap-server", strings.Join(Real(t), ",")), args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kafkatest: kafka-consumer-groups %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Await waits until the member has printed n records, and returns all of them: lines such as
// "Partition:2 Offset:17 the value".
func (m *Member) Await(n int) []string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	for {
		got, changed := m.out.read()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-ctx.Done():
			m.Kill()
			m.t.Fatalf("kafkatest: Java's console consumer printed %d records in %v, want %d; stderr:\n%s", len(got), patience, n, m.err.String())
		}
	}
}

// Leave makes the member commit, leave its group and end, and waits until it has.
func (m *Member) Leave() { m.end(syscall.SIGTERM) }

// Kill ends the member like a crash: its group notices when the session times out.
func (m *Member) Kill() { m.end(syscall.SIGKILL) }

func (m *Member) end(signal syscall.Signal) {
	if m.ended {
		return
	}
	m.ended = true
	_ = m.cmd.Process.Signal(signal) // it may have ended already
	late := time.AfterFunc(patience, func() { _ = m.cmd.Process.Kill() })
	defer late.Stop()
	_ = m.cmd.Wait() // it ends by the signal
}

// lines collects the records in a console's output, one per line, and wakes readers that wait for
// more.
type lines struct {
	mu      sync.Mutex // guards the fields below
	whole   []string
	part    []byte
	changed chan struct{} // closed and replaced by Write
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			break
		}
		l.part = rest
		if bytes.HasPrefix(line, []byte("Partition:")) { // the console prints remarks, too
			l.whole = append(l.whole, string(line))
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

func (l *lines) read() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.whole...), l.changed
}
