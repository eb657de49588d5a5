package kafkatest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Broker is a real Apache Kafka that one test has for itself, to kill and to start again while others use theirs. Its plain-text listener
// keeps its address and its log keeps what was acknowledged.
type Broker struct {
	Brokers []string

	t       testing.TB
	control string
	dir     string
}

// Own starts a broker of the version that [Real] gives; it takes about 5 seconds and ends with the test. settings are lines of
// server.properties, "key=value". It is skipped, or fails, like Real.
func Own(t testing.TB, settings ...string) *Broker {
	t.Helper()
	b := &Broker{t: t, control: variable(t, "KAFKA_CONTROL")}
	// Inside the shared broker's folder, so that it ends with that one even when this process is killed.
	dir, err := os.MkdirTemp(variable(t, "KAFKA_DIR"), "own-")
	if err != nil {
		t.Fatalf("kafkatest: a folder for a broker: %v", err)
	}
	b.dir = dir
	t.Cleanup(func() { b.do("stop", b.dir) })
	args := []string{"start", Version(t), dir}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	b.do(args...)
	env, err := os.ReadFile(dir + "/env")
	if err != nil {
		t.Fatalf("kafkatest: the broker's variables: %v", err)
	}
	for line := range strings.Lines(string(env)) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "export KAFKA_BROKERS="); ok {
			b.Brokers = strings.Split(list, ",")
		}
	}
	if len(b.Brokers) == 0 {
		t.Fatalf("kafkatest: %s/env names no KAFKA_BROKERS", dir)
	}
	return b
}

// Kill ends the broker as a crash does, with kill -9, and returns when it is gone.
func (b *Broker) Kill() { b.t.Helper(); b.do("kill", b.dir) }

// Stop ends the broker cleanly and returns when it is gone.
func (b *Broker) Stop() { b.t.Helper(); b.do("term", b.dir) }

// Start starts a killed or stopped broker and returns when it answers.
func (b *Broker) Start() { b.t.Helper(); b.do("up", b.dir) }

func (b *Broker) do(args ...string) {
	b.t.Helper()
	if out, err := exec.Command(b.control, args...).CombinedOutput(); err != nil {
		b.t.Fatalf("kafkatest: %s %s: %v\n%s", b.control, strings.Join(args, " "), err, out)
	}
}
