package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Broker is a real Apache Kafka for one test alone, to kill and restart. Its plain-text listener
// keeps its address, and its log keeps acknowledged records.
type Broker struct {
	Brokers []string

	t       testing.TB
	control string
	dir     string
}

// Own starts a broker of the version that [Real] gives. That takes about 5 seconds, and the broker
// ends with the test. settings are lines of server.properties, "key=value". The test is skipped or
// fails like with Real.
func Own(t testing.TB, settings ...string) *Broker {
	t.Helper()
	b := &Broker{t: t, control: variable(t, "KAFKA_CONTROL")}
	b.dir, b.Brokers = b.start("start", settings)
	return b
}

// OwnCluster starts three brokers, which are controllers too. One of them may be down: every
// partition has three replicas, and writes need two. The Brokers of each are the addresses of all.
// Otherwise it is like Own.
func OwnCluster(t testing.TB, settings ...string) [3]*Broker {
	t.Helper()
	var nodes [3]*Broker
	dir, brokers := (&Broker{t: t, control: variable(t, "KAFKA_CONTROL")}).start("cluster", settings)
	for i := range nodes {
		nodes[i] = &Broker{Brokers: brokers, t: t, control: variable(t, "KAFKA_CONTROL"), dir: fmt.Sprintf("%s/%d", dir, i+1)}
	}
	return nodes
}

// start starts what verb names, in a folder of its own that is removed with the test.
func (b *Broker) start(verb string, settings []string) (dir string, brokers []string) {
	b.t.Helper()
	// A folder within the shared broker's ends with that one, even if this process is killed.
	dir, err := os.MkdirTemp(variable(b.t, "KAFKA_DIR"), "own-")
	if err != nil {
		b.t.Fatalf("kafkatest: a folder for a broker: %v", err)
	}
	b.t.Cleanup(func() { b.do("stop", dir) })
	args := []string{verb, Version(b.t), dir}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	b.do(args...)
	env, err := os.ReadFile(dir + "/env")
	if err != nil {
		b.t.Fatalf("kafkatest: the broker's variables: %v", err)
	}
	for line := range strings.Lines(string(env)) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "export KAFKA_BROKERS="); ok {
			brokers = strings.Split(list, ",")
		}
	}
	if len(brokers) == 0 {
		b.t.Fatalf("kafkatest: %s/env names no KAFKA_BROKERS", dir)
	}
	return dir, brokers
}

// Kill ends the broker like a crash, with kill -9, and waits until it is gone.
func (b *Broker) Kill() { b.t.Helper(); b.do("kill", b.dir) }

// Stop ends the broker cleanly and waits until it is gone.
func (b *Broker) Stop() { b.t.Helper(); b.do("term", b.dir) }

// Start restarts a killed or stopped broker and waits until it responds.
func (b *Broker) Start() { b.t.Helper(); b.do("up", b.dir) }

func (b *Broker) do(args ...string) {
	b.t.Helper()
	if out, err := exec.Command(b.control, args...).CombinedOutput(); err != nil {
		b.t.Fatalf("kafkatest: %s %s: %v\n%s", b.control, strings.Join(args, " "), err, out)
	}
}
