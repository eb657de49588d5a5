package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// ledger is a worker on a Kafka whose handler fails for values that begin with "bad" (its partition
// halts) or "out" (its key is parked).
type ledger struct {
	t     *testing.T
	k     *kafkatest.Kafka
	topic string
	group string

	p *stream.Pipeline // that runs

	mu      sync.Mutex // guards the fields below
	told    *sync.Cond
	handled map[string]int // by value
	halts   int
	held    int // pauses and parks of operators that an assignment has taken over
}

func newLedger(t *testing.T, partitions int) *ledger {
	t.Helper()
	t.Setenv("KAFKA_BROKERS", "")
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	return ledgerOn(t, k, k.TopicNamed("orders", partitions), "billing")
}

func ledgerOn(t *testing.T, k *kafkatest.Kafka, topic, group string) *ledger {
	w := &ledger{t: t, k: k, topic: topic, group: group, handled: map[string]int{}}
	w.told = sync.NewCond(&w.mu)
	return w
}

func (w *ledger) put(partition int32, key, value string) {
	w.k.Produce(w.topic, &kgo.Record{Partition: partition, Key: []byte(key), Value: []byte(value)})
}

// runs runs a worker until ok holds, and what it has halted is stored.
func (w *ledger) runs(ok func() bool, instance string) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	charge := func(_ context.Context, m kafka.Message) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.handled[string(m.Value)]++
		w.told.Broadcast()
		if s := string(m.Value); strings.HasPrefix(s, "bad") {
			return errBank
		} else if strings.HasPrefix(s, "out") {
			return errStock
		}
		return nil
	}
	p, err := source.Kafka(source.KafkaConfig{Brokers: w.k.Brokers, Group: w.group, Topics: []string{w.topic}, InstanceID: instance}).
		GroupByKey().Concurrent(8, charge, stream.Named("charge")).
		ParkOnError(stream.When(func(err error) bool { return errors.Is(err, errStock) })).HaltOnError().
		CommitEvery(1, 10*time.Millisecond).
		Build(stream.BuildID("v1"), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if _, is := e.(stream.Halted); is {
				w.halts++
			}
			if h, is := e.(stream.Paused); is && h.Restored {
				w.held++
			}
			w.told.Broadcast()
		}}))
	must(w.t, err)
	w.p = p
	go func() { ended <- p.Run(ctx) }()
	w.mu.Lock()
	for !ok() {
		w.told.Wait()
	}
	w.mu.Unlock()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// says runs a command on the group.
func (w *ledger) says(args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	err := run(ctx, append(args, "--brokers", strings.Join(w.k.Brokers, ","), "--group", w.group), &out, &errs)
	if errs.Len() > 0 {
		w.t.Errorf("%v wrote to standard error: %s", args, &errs)
	}
	return result{out.String(), err}
}

// stopped returns a group whose worker has halted a partition and parked two keys, and has ended.
func stopped(t *testing.T) *ledger {
	t.Helper()
	return newLedger(t, 3).stopped()
}

func (w *ledger) stopped() *ledger {
	w.t.Helper()
	w.put(0, "a", "fine 1")
	w.put(0, "b", "bad 1")
	w.put(1, "c", "out 1")
	w.put(1, "d", "out 2")
	w.put(1, "e", "fine 2")
	w.runs(func() bool { return w.halts == 3 && w.handled["fine 2"] == 1 }, "")()
	return w
}

// ids returns the ids of the stored halts, by partition and offset.
func (w *ledger) ids() (ids []string) {
	w.t.Helper()
	var g groupJSON
	must(w.t, json.Unmarshal([]byte(w.says("inspect", "-o", "json").out), &g))
	for _, p := range g.Partitions {
		for _, h := range p.Halts {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// ends checks the exit code of a command and what it says.
func (w *ledger) ends(code int, says string, args ...string) {
	w.t.Helper()
	if r := w.says(args...); exitCode(r.err) != code || !strings.Contains(r.full(), says) {
		w.t.Errorf("laneway %v ended with %d, want %d and %q:\n%s", args, exitCode(r.err), code, says, r.full())
	}
}

// show runs a command and writes it down.
func (w *ledger) show(s *transcript, args ...string) {
	w.t.Helper()
	for _, id := range w.ids() {
		s.name("HALT", id[:8])
	}
	fmt.Fprintf(s, "$ laneway %s\n%s\n", s.plain(nil, strings.Join(args, " ")), s.plain(nil, w.says(args...).full()))
}

func TestInspect(t *testing.T) {
	t.Run("shows offsets, lag and the states of a group that does not run", func(t *testing.T) {
		w, s := stopped(t), &transcript{names: map[string]string{}}
		w.show(s, "inspect")
		w.show(s, "inspect", "-o", "json")
		w.group = "refunds"
		w.show(s, "inspect")
		s.is(t, "inspect")
	})
	t.Run("shows who is in a group that runs", func(t *testing.T) {
		w := newLedger(t, 1)
		w.put(0, "b", "bad 1")
		stop := w.runs(func() bool { return w.halts == 1 }, "billing-0")
		defer stop()
		w.ends(0, "Group billing is Stable, with 1 member: billing-0", "inspect")
		w.ends(0, "static instance billing-0", "inspect")
	})
	t.Run("says of a void state why", func(t *testing.T) {
		w := stopped(t)
		state := w.stored(0)
		for why, change := range map[string]func(){
			"truncated or altered":       func() { w.k.Commit(w.group, w.topic, 0, 1, state[:len(state)-9]+state[len(state)-1:]) },
			"another offset":             func() { w.k.Commit(w.group, w.topic, 0, 2, state) },
			"another partition":          func() { w.k.Commit(w.group, w.topic, 2, 1, state) },
			"another client has comm":    func() { w.k.Commit(w.group, w.topic, 0, 1, "hello") },
			"does not know its version":  func() { w.k.Commit(w.group, w.topic, 0, 1, "lw9:"+state[4:]) },
			"no state: another client":   func() { w.k.Commit(w.group, w.topic, 0, 1, "") },
			"beyond the end of the log,": func() { w.k.Commit(w.group, w.topic, 0, 99, "") },
		} {
			change()
			w.ends(0, why, "inspect")
			w.k.Commit(w.group, w.topic, 0, 1, state)
		}
		w.k.CommitEpoch(w.group, w.topic, 0, 1, 7, state) // an epoch that the log has not
		w.ends(0, "the log was truncated at 1 since", "inspect")
		w.k.Recreate(w.topic, 3)
		w.k.Commit(w.group, w.topic, 0, 1, state) // by a worker that has not noticed
		w.ends(0, "the topic was recreated since: workers ignore the offset too", "inspect")
		w.ends(exitConflict, "no halt", "skip", "0")
	})
	t.Run("refuses a wrong command line", func(t *testing.T) {
		w := newLedger(t, 1)
		var out, errs bytes.Buffer
		for _, args := range [][]string{{"inspect", "--group", "billing"}, {"inspect", "--brokers", "x:1"}, {"inspect", "--brokers", "x:1", "--group", "g", "more"}} {
			if err := run(t.Context(), args, &out, &errs); exitCode(err) != exitUsage {
				t.Errorf("%v: %v", args, err)
			}
		}
		w.ends(exitUsage, "cannot be used with --group", "skip", "x", "--from", "1", "--to", "2")
		w.ends(exitUsage, "exclude each other", "skip", "x", "--pipeline", "billing")
	})
}

// stored returns the metadata of a partition's offset.
func (w *ledger) stored(partition int32) string {
	w.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = w.group
	resp, err := req.RequestWith(w.t.Context(), w.k.Client)
	must(w.t, err)
	for _, p := range resp.Topics[0].Partitions {
		if p.Partition == partition && p.Metadata != nil {
			return *p.Metadata
		}
	}
	return ""
}

func TestStoredHalts(t *testing.T) {
	t.Run("are released where the group has stored them, and the next worker heeds that", func(t *testing.T) {
		w, s := stopped(t), &transcript{names: map[string]string{}}
		ids := w.ids()
		before := []string{w.stored(0), w.stored(1)}
		w.show(s, "skip", ids[0], ids[1], "-n")
		w.show(s, "resume", "--all", "-n")
		if w.stored(0) != before[0] || w.stored(1) != before[1] {
			t.Fatal("a dry run has changed what is stored")
		}
		w.show(s, "skip", ids[0], ids[1])
		w.show(s, "resume", ids[2][:8])
		w.show(s, "resume", ids[2][:8])
		w.show(s, "inspect")
		s.is(t, "stored")

		w.put(0, "a", "fine 3")
		w.runs(func() bool { return w.halts == 4 && w.handled["fine 3"] == 1 }, "")()
		for value, times := range map[string]int{"fine 1": 1, "bad 1": 1, "out 1": 1, "out 2": 2, "fine 2": 1, "fine 3": 1} {
			if w.handled[value] != times {
				t.Errorf("%s was handled %d times, want %d", value, w.handled[value], times)
			}
		}
	})
	t.Run("are those of operators too, with every build", func(t *testing.T) {
		w, s := newLedger(t, 2), &transcript{names: map[string]string{}}
		w.put(0, "a", "fine 1")
		w.put(1, "b", "fine 2")
		stop := w.runs(func() bool { return w.handled["fine 1"] == 1 && w.handled["fine 2"] == 1 }, "")
		for _, q := range w.p.Snapshot().Partitions {
			if q.Partition == 0 {
				must(t, w.p.Pause(q.TopicPartition, q.Epoch, "olaf", time.Time{}))
			} else {
				must(t, w.p.Park(q.TopicPartition, q.Epoch, []byte("b"), "olaf", time.Now().Add(8760*time.Hour)))
			}
		}
		stop()
		ids := w.ids()
		w.show(s, "inspect")
		w.show(s, "skip", ids[1])
		w.show(s, "resume", "--all")

		w.put(1, "b", "fine 3")
		w.put(1, "c", "fine 4")
		w.runs(func() bool { return w.handled["fine 4"] == 1 && w.held == 2 }, "")()
		w.show(s, "resume", ids[0], ids[1])
		w.show(s, "inspect")
		s.is(t, "held")
		if w.handled["fine 3"] != 0 {
			t.Error("a record of a parked key was handled")
		}
		w.put(0, "a", "fine 5")
		w.runs(func() bool { return w.handled["fine 3"] == 1 && w.handled["fine 5"] == 1 }, "")()
	})
	t.Run("stay as they are while the group has members", func(t *testing.T) {
		w := newLedger(t, 1)
		w.put(0, "b", "bad 1")
		stop := w.runs(func() bool { return w.halts == 1 }, "")
		w.ends(exitConflict, "group billing has members, and only they may change what it has stored: use --at", "resume", "--all")
		stop()
		w.ends(0, "done: resume orders[0]@0 in group billing", "resume", "--all")
	})
	t.Run("stay as they are until a static member's session is over", func(t *testing.T) {
		w := newLedger(t, 1)
		w.put(0, "b", "bad 1")
		w.runs(func() bool { return w.halts == 1 }, "billing-0")() // a static member does not leave
		w.ends(exitConflict, "stays in the group until its session has timed out", "resume", "--all")
	})
}

func TestStoredHaltsRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t))
	w := ledgerOn(t, k, k.Topic(3), kafkatest.Name("billing")).stopped()
	ids := w.ids()
	if len(ids) != 3 {
		t.Fatal(w.says("inspect").full())
	}
	w.ends(0, "has no members (Empty)", "inspect")
	w.ends(0, "done: skip", "skip", ids[0], ids[1])
	w.ends(0, "done: resume", "resume", ids[2])
	w.ends(exitConflict, "no halt", "resume", ids[2])
	w.put(0, "a", "fine 3")
	stop := w.runs(func() bool { return w.halts == 4 && w.handled["fine 3"] == 1 }, "")
	w.ends(exitConflict, "has members", "resume", "--all")
	stop()
	for value, times := range map[string]int{"fine 1": 1, "bad 1": 1, "out 1": 1, "out 2": 2, "fine 2": 1, "fine 3": 1} {
		if w.handled[value] != times {
			t.Errorf("%s was handled %d times, want %d", value, w.handled[value], times)
		}
	}
}
