package transact

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommit(t *testing.T) {
	t.Run("commits results and offsets together", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			ends := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
			adds := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn}, Observe: true, Count: -1})
			tx := w.open(t, "a", nil, nil)
			for i := range 20 {
				w.commit(t, tx, i*10, i*10+10)
			}
			w.exactly(t, 200)
			if ends.Hits() != 20 || (adds.Hits() == 0) != w.implicit {
				t.Errorf("%d ends, %d additions", ends.Hits(), adds.Hits())
			}
			for _, r := range w.Records(w.out) {
				if !r.Attrs.IsTransactional() || r.ProducerID < 0 {
					t.Fatalf("%+v is outside a transaction", r)
				}
			}
		})
	})
	t.Run("commits offsets alone, and nothing at all", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			ends := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
			tx := w.open(t, "a", nil, nil)
			if err := tx.Commit(t.Context(), Txn{}); err != nil || ends.Hits() != 0 {
				t.Errorf("nothing: %v, ended %d times", err, ends.Hits())
			}
			none := w.txn(7, 7)
			if err := tx.Commit(within(t, time.Minute), none); err != nil || w.stored(t, tx) != 7 {
				t.Errorf("offsets alone: %v, %d is stored", err, w.stored(t, tx))
			}
			if len(w.Records(w.out)) != 0 {
				t.Error("something was written")
			}
		})
	})
	t.Run("names records that cannot be written, and writes nothing", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			bad := w.txn(0, 10)
			at := bad.At
			bad.At = func(i int) *kafka.Message {
				if i == 4 {
					return &kafka.Message{Value: make([]byte, 200_000)}
				}
				return at(i)
			}
			var records *RecordsError
			var large *kafkaerr.TooLargeError
			if err := tx.Commit(within(t, time.Minute), bad); !errors.As(err, &records) || len(records.Errs) != 1 || !errors.As(records.Errs[4], &large) {
				t.Error(err)
			}
			w.exactly(t, 0)
			w.commit(t, tx, 0, 10)
			w.exactly(t, 10)
		})
	})
	t.Run("commits nothing of a stale generation", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			stale := w.txn(0, 10)
			stale.Shares[0].Group.Member, stale.Shares[0].Group.Generation = "nobody", 7
			var refused *StaleError
			if err := tx.Commit(within(t, time.Minute), stale); !errors.As(err, &refused) || len(refused.Parts) != 1 || refused.Member != "nobody" {
				t.Error(err)
			}
			w.exactly(t, 0)
			w.commit(t, tx, 0, 10)
			w.exactly(t, 10)
		})
	})
	t.Run("commits the offsets of several members, or none", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			other := wire.TopicPartition{Topic: w.in, Partition: 0}
			two := w.txn(0, 10)
			two.Shares = append(two.Shares, Share{Group{Name: w.group, Member: "nobody", Generation: 7}, map[wire.TopicPartition]Position{other: {Offset: 5}}})
			var refused *StaleError
			if err := tx.Commit(within(t, time.Minute), two); !errors.As(err, &refused) || !slices.Equal(refused.Parts, []wire.TopicPartition{other}) {
				t.Errorf("%v, want the share of the unknown member", err)
			}
			w.exactly(t, 0)
			if at := w.Committed(w.group, w.in); len(at) != 0 {
				t.Errorf("stored %v", at)
			}
			two.Shares[1].Group = Group{Name: w.group, Generation: -1}
			if err := tx.Commit(within(t, time.Minute), two); err != nil {
				t.Fatal(err)
			}
			w.exactly(t, 10)
			if at := w.Committed(w.group, w.in)[0]; at != 5 {
				t.Errorf("stored %d, want 5", at)
			}
		})
	})
	t.Run("leaves nothing when it is cancelled", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			w.commit(t, tx, 0, 10)
			for i := range 10 {
				ctx, cancel := context.WithCancel(t.Context())
				keys := []kmsg.Key{kmsg.Produce, kmsg.TxnOffsetCommit}
				w.fake.ControlKey(int16(keys[i%2]), func(kmsg.Request) (kmsg.Response, error, bool) {
					if rand.IntN(2) == 0 {
						cancel()
					} else {
						time.AfterFunc(time.Millisecond, cancel)
					}
					return nil, nil, false
				})
				err := tx.Commit(ctx, w.txn(10+10*i, 20+10*i))
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					w.commit(t, tx, 10+10*i, 20+10*i)
				}
				cancel()
			}
			w.exactly(t, 110)
		})
	})
}

func TestCommitRetry(t *testing.T) {
	t.Run("retries transient errors", func(t *testing.T) {
		for _, f := range []struct {
			key kmsg.Key
			err *kerr.Error
		}{
			{kmsg.AddPartitionsToTxn, kerr.ConcurrentTransactions}, {kmsg.AddPartitionsToTxn, kerr.NotCoordinator}, {kmsg.AddOffsetsToTxn, kerr.CoordinatorLoadInProgress},
			{kmsg.TxnOffsetCommit, kerr.NotCoordinator}, {kmsg.TxnOffsetCommit, kerr.ConcurrentTransactions}, {kmsg.EndTxn, kerr.CoordinatorNotAvailable},
			{kmsg.EndTxn, kerr.ConcurrentTransactions}, {kmsg.Produce, kerr.ConcurrentTransactions}, {kmsg.Produce, kerr.NotLeaderForPartition}, {kmsg.Produce, kerr.RequestTimedOut},
		} {
			t.Run(f.key.Name()+" "+f.err.Message, func(t *testing.T) {
				protocols(t, func(t *testing.T, w *world) {
					tx := w.open(t, "a", nil, nil)
					w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Err: f.err, Count: 3})
					for i := range 5 {
						w.commit(t, tx, i*10, i*10+10)
					}
					w.exactly(t, 50)
				})
			})
		}
	})
	t.Run("repeats an aborted transaction", func(t *testing.T) {
		for _, f := range []struct {
			key kmsg.Key
			err *kerr.Error
		}{
			{kmsg.Produce, kerr.InvalidProducerEpoch}, {kmsg.Produce, kerr.OutOfOrderSequenceNumber}, {kmsg.Produce, kerr.InvalidTxnState}, {kmsg.Produce, kerr.TransactionAbortable},
			{kmsg.AddPartitionsToTxn, kerr.TransactionAbortable}, {kmsg.AddOffsetsToTxn, kerr.TransactionAbortable}, {kmsg.TxnOffsetCommit, kerr.TransactionAbortable},
			{kmsg.EndTxn, kerr.InvalidTxnState}, {kmsg.TxnOffsetCommit, kerr.InvalidProducerEpoch},
		} {
			t.Run(f.key.Name()+" "+f.err.Message, func(t *testing.T) {
				protocols(t, func(t *testing.T, w *world) {
					tx := w.open(t, "a", nil, nil)
					w.commit(t, tx, 0, 10)
					w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Err: f.err, Count: 1})
					for i := 1; i < 5; i++ {
						w.commit(t, tx, i*10, i*10+10)
					}
					w.exactly(t, 50)
				})
			})
		}
	})
	t.Run("loses and repeats nothing after a lost response", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			flaking, lost := kafkatest.Flaky(w.transport, 15)
			tx := w.open(t, "a", flaking, nil)
			for i := range 60 {
				w.commit(t, tx, i*10, i*10+10)
			}
			w.exactly(t, 600)
			if lost.Load() == 0 {
				t.Error("no response was lost")
			}
		})
	})
	// An unexpected sequence stays unexpected until the epoch changes. It is no fault of the records.
	t.Run("repeats a transaction with an unexpected sequence", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			w.commit(t, tx, 0, 10)
			f := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber, Count: -1})
			w.fake.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
				f.Remove()
				return nil, nil, false
			})
			if err := tx.Commit(within(t, time.Minute), w.txn(10, 20)); err != nil {
				t.Error(err)
			}
			w.exactly(t, 20)
		})
	})
	// InitProducerID on an open transaction would fence ourselves: real Kafka raises the epoch to abort
	// it.
	t.Run("aborts a refused commit before the next", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			tx := w.open(t, "a", nil, nil)
			w.commit(t, tx, 0, 10)
			w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.TransactionAbortable, Count: 1})
			var asked []string
			w.fake.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.fake.KeepControl()
				switch r := r.(type) {
				case *kmsg.EndTxnRequest:
					asked = append(asked, fmt.Sprint("end ", r.Commit))
				case *kmsg.InitProducerIDRequest:
					asked = append(asked, "init")
				}
				return nil, nil, false
			})
			w.commit(t, tx, 10, 20)
			w.exactly(t, 20)
			if len(asked) < 2 || asked[1] != "end false" {
				t.Errorf("after the refusal: %v", asked)
			}
		})
	})
}

func TestOpen(t *testing.T) {
	t.Run("aborts what a crash left open", func(t *testing.T) {
		protocols(t, func(t *testing.T, w *world) {
			crashed := w.open(t, "a", nil, nil)
			w.leaveOpen(t, crashed, 0, 10)
			next := w.open(t, "a", nil, nil)
			if at := w.stored(t, next); at >= 0 {
				t.Errorf("%d is stored", at)
			}
			w.commit(t, next, 0, 10)
			w.exactly(t, 10)
		})
	})
}
