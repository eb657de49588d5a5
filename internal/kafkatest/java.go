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

// Member is Java's console consumer, running as a member of a group.
type Member struct {
	t   testing.TB
	cmd *exec.Cmd
	out lines
	err bytes.Buffer // read only after the process has ended

	ended bool
}

// JavaMember starts Java's console consumer of the broker's own release on the topic, from its
// beginning, as a member of the group. The assignor is a class of
// org.apache.kafka.clients.consumer, such as "CooperativeStickyAssignor" or "RangeAssignor". It
// ends with the test. It is skipped, or fails, like [Real].
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

// Await returns the records that the member has printed, at least n: lines such as "Partition:2
// Offset:17 the value".
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
			m.t.Fatalf("kafkatest: Java's console consumer printed %d records in %v, not %d; it said:\n%s", len(got), patience, n, m.err.String())
		}
	}
}

// Leave asks the member to commit, leave its group and end, and returns when it has.
func (m *Member) Leave() { m.end(syscall.SIGTERM) }

// Kill ends the member as a crash does: its group notices when the session times out.
func (m *Member) Kill() { m.end(syscall.SIGKILL) }

func (m *Member) end(signal syscall.Signal) {
	if m.ended {
		return
	}
	m.ended = true
	_ = m.cmd.Process.Signal(signal) // it may have ended by itself
	late := time.AfterFunc(patience, func() { _ = m.cmd.Process.Kill() })
	defer late.Stop()
	_ = m.cmd.Wait() // ended by a signal is what was asked for
}

// lines collects the records in a console's output, one a line, and tells who waits for more.
type lines struct {
	mu      sync.Mutex // guards the rest
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
		if bytes.HasPrefix(line, []byte("Partition:")) { // and not one of the console's own remarks
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
