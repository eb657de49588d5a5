package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// damage flips a bit in the batch that starts at an offset.
func damage(b []byte, base uint64) {
	for len(b) > 61 {
		n := int(binary.BigEndian.Uint32(b[8:])) + 12
		if binary.BigEndian.Uint64(b) == base && n <= len(b) {
			b[n-1] ^= 1
		}
		b = b[min(n, len(b)):]
	}
}

type move struct {
	tp       wire.TopicPartition
	from, to int64
	back     bool
}

// resets makes a Config report its moves.
func resets(policy Reset, moves chan move) func(*Config) {
	return func(c *Config) {
		c.Reset = policy
		c.OnReset = func(tp wire.TopicPartition, from, to int64, back bool) { moves <- move{tp, from, to, back} }
	}
}

func TestReset(t *testing.T) {
	t.Run("of an offset below the log follows the policy", func(t *testing.T) {
		for policy, to := range map[Reset]int64{Earliest: 60, Latest: 100} {
			t.Run(policy.String(), func(t *testing.T) {
				k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
				prod := producer(t, k)
				write(t, prod, "orders", 0, 100)
				if err := k.DeleteRecords("orders", 0, 60); err != nil {
					t.Fatal(err)
				}
				moves := make(chan move, 1)
				w := start(t, k, resets(policy, moves), "orders")
				p := part0(10, plenty)
				w.f.Add(wire.PartitionOf("orders", 0), p)
				if m := <-moves; m != (move{wire.PartitionOf("orders", 0), 10, to, false}) {
					t.Fatalf("move: %+v", m)
				}
				write(t, prod, "orders", 0, 10)
				p.untilRecords(t, int(110-to))
				if p.msgs[0].Offset != to {
					t.Errorf("continued at %d", p.msgs[0].Offset)
				}
			})
		}
	})
	t.Run("of an offset beyond the log needs a new assignment", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 100)
		moves := make(chan move, 1)
		w := start(t, k, resets(Earliest, moves), "orders")
		p := part0(500, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		m := <-moves
		if m != (move{wire.PartitionOf("orders", 0), 500, 0, true}) {
			t.Fatalf("move: %+v", m)
		}
		w.f.Remove(m.tp)
		next := part0(m.to, plenty)
		w.f.Add(m.tp, next)
		next.untilRecords(t, 100)
		if len(p.msgs) != 0 {
			t.Error("the earlier assignment was fed")
		}
	})
	t.Run("with policy Fail ends Run with the range of the log", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 100)
		w := start(t, k, func(c *Config) { c.Reset = Fail }, "orders")
		w.f.Add(wire.PartitionOf("orders", 0), part0(500, plenty))
		var e *kafkaerr.OutOfRangeError
		if err := w.result(); !errors.As(err, &e) || e.Offset != 500 || e.Earliest != 0 || e.Latest != 100 || e.Topic != "orders" {
			t.Fatalf("error: %v", err)
		}
	})
}

func TestAbortedTransactions(t *testing.T) {
	for _, uncommitted := range []bool{false, true} {
		t.Run(fmt.Sprintf("uncommitted=%v", uncommitted), func(t *testing.T) {
			k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			tx := producer(t, k, kgo.TransactionalID("tx"))
			var want []string
			for i := range 6 {
				if err := tx.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				value := fmt.Sprintf("tx %d", i)
				if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(value)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				commit := kgo.TransactionEndTry(i%2 == 1)
				if err := tx.EndTransaction(t.Context(), commit); err != nil {
					t.Fatal(err)
				}
				if bool(commit) || uncommitted {
					want = append(want, value)
				}
			}
			// A transaction that is still open is invisible to read_committed, and the log ends before it.
			if err := tx.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("open")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			end := int64(12)
			if uncommitted {
				want, end = append(want, "open"), 13
			}
			w := start(t, k, func(c *Config) { c.Uncommitted = uncommitted }, "orders")
			p := part0(0, plenty)
			w.f.Add(wire.PartitionOf("orders", 0), p)
			p.until(t, "the end", func() bool { return p.next == end && p.end == end })
			var got []string
			for _, m := range p.msgs {
				got = append(got, string(m.Value))
			}
			if !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
			if err := tx.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestCompactedLog(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	if err := k.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact", "segment.bytes": "1000", "min.cleanable.dirty.ratio": "0"}); err != nil {
		t.Fatal(err)
	}
	prod := producer(t, k)
	for range 20 {
		write(t, prod, "state", 0, 5) // always the same five keys
	}
	k.Compact()
	w := start(t, k, nil, "state")
	p := part0(0, plenty)
	w.f.Add(wire.PartitionOf("state", 0), p)
	p.until(t, "the end", func() bool { return p.next == 100 && p.end == 100 })
	if len(p.msgs) >= 100 || len(p.msgs) < 5 {
		t.Errorf("%d records of a compacted log", len(p.msgs))
	}
	last := map[string]int64{}
	for _, m := range p.msgs {
		last[string(m.Key)] = m.Offset
	}
	if len(last) != 5 {
		t.Errorf("keys: %v", last)
	}
}

func TestList(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
	prod := producer(t, k)
	base := time.Now().Add(-time.Hour)
	for i := range 10 {
		r := &kgo.Record{Topic: "orders", Partition: int32(i % 2), Timestamp: base.Add(time.Duration(i) * time.Minute), Value: []byte("v")}
		if err := prod.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, k, nil, "orders")
	tps := []wire.TopicPartition{wire.PartitionOf("orders", 0), wire.PartitionOf("orders", 1)}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: 1})
	if _, failed := List(t.Context(), w.c, Leader(w.c, tps[0]), AtStart, false, tps[0]); !errors.Is(failed[tps[0]], wire.NotLeader) {
		t.Errorf("failed: %v", failed)
	}
	for at, want := range map[int64][2]int64{AtStart: {0, 0}, AtEnd: {5, 5}, base.Add(3 * time.Minute).UnixMilli(): {2, 1}, base.Add(time.Hour).UnixMilli(): {-1, -1}} {
		for i, tp := range tps {
			got, failed := List(t.Context(), w.c, Leader(w.c, tp), at, false, tp)
			if len(failed) > 0 || got[tp] != want[i] {
				t.Errorf("%v at %d: %v, %v, want %d", tp, at, got, failed, want[i])
			}
		}
	}
}
