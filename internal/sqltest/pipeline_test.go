package sqltest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

const (
	partitions = 2
	records    = 8 // of each partition
)

// children returns the results of a record: none, one or two.
func children(part int, offset int64) (rs []result) {
	for n := range offset % 3 {
		rs = append(rs, result{part, offset*10 + n})
	}
	return rs
}

// world is two workers on an in-memory log, as separate as processes if possible, and a database.
// All partitions are assigned to the first worker. At its nth call to the database, an event
// happens to it.
type world struct {
	t       *testing.T
	b       *backend
	log     *streamtest.Log[kafka.Message]
	members [2]*streamtest.Member[kafka.Message]
	ended   [2]chan error
	fenced  *atomic.Int64 // how often a worker was fenced by another
	through chan struct{} // closed when everything is stored
	once    sync.Once     // guards closing through
	moved   chan struct{} // closed when the event is over
}

// run starts a worker. Its results arrive out of order, and are held back until their record is in
// the finished prefix.
func (w *world) run(ctx context.Context, n int, f *fault) {
	w.members[n], w.ended[n] = w.log.Member(), make(chan error, 1)
	tx := sink.SQL(w.b.openBroken(f), insert)
	p, err := source.Kafka(source.KafkaConfig{Brokers: []string{"nowhere:9092"}, Group: "g", Topics: []string{topic}}).
		GroupByKey().
		MapConcurrent(64, func(ctx context.Context, m kafka.Message) (kafka.Message, error) {
			select {
			case <-time.After(time.Duration(1+m.Offset*7919%37) * time.Millisecond):
				return m, nil
			case <-ctx.Done():
				return m, context.Cause(ctx)
			}
		}).
		FlatMap(func(_ context.Context, m kafka.Message) (iter.Seq[result], error) {
			return slices.Values(children(m.Partition, m.Offset)), nil
		}).
		CommitWith(tx, 3, 10*time.Millisecond).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 50, Wait: func(stream.Failure) time.Duration { return 50 * time.Millisecond }}).
		Build(w.members[n].Source(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			switch e := e.(type) {
			case stream.Committed, stream.Assigned:
				if w.consistent() == [partitions]int64{records, records} {
					w.once.Do(func() { close(w.through) })
				}
			case stream.Lost:
				if _, ok := errors.AsType[*stream.FencedError](e.Err); ok {
					w.fenced.Add(1)
				}
			}
		}}))
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { w.ended[n] <- p.Run(ctx) }()
}

// consistent checks that the database holds exactly the results of the records below its offsets.
func (w *world) consistent() (stored [partitions]int64) {
	tx, err := w.b.db.BeginTx(context.Background(), nil) // one consistent snapshot
	if err != nil {
		w.t.Error(err)
		return stored
	}
	defer tx.Rollback()
	for part := range partitions {
		query := fmt.Sprintf(`SELECT COALESCE(MAX(next_offset), 0) FROM laneway_offsets WHERE partition_id = %d`, part)
		if err := tx.QueryRow(query).Scan(&stored[part]); err != nil {
			w.t.Error(err)
		}
		var want []int64
		for offset := range stored[part] {
			for _, r := range children(part, offset) {
				want = append(want, r.value)
			}
		}
		if got := written(w.t, tx, part); !slices.Equal(got, want) {
			w.t.Errorf("partition %d is at %d: written %v, want %v", part, stored[part], got, want)
		}
	}
	return stored
}

// happens runs the world once for each call of the first worker to its database, and returns how
// often a worker was fenced.
func happens(t *testing.T, what func(w *world, f *fault) (strike func(*conn) error)) int64 {
	var fenced atomic.Int64
	commits := 0
	for at, hit := 1, true; hit; at++ {
		for _, after := range []bool{false, true} {
			ok := t.Run(fmt.Sprintf("%d %v", at, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &world{t: t, b: newSQLite(t), log: streamtest.Kafka(topic, partitions), fenced: &fenced, through: make(chan struct{}), moved: make(chan struct{})}
					for part := range partitions {
						for n := range records {
							w.log.Append(part, fmt.Sprint("key ", n%5), kafka.Message{})
						}
					}
					assigned, calls := false, 0 // guarded by the fault's lock
					f := &fault{after: after, hits: func(int, string) bool {
						if assigned {
							calls++
						}
						return assigned && calls >= at
					}}
					f.strike = what(w, f)
					makeTable(t, w.b)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // in virtual time
					defer cancel()
					w.run(ctx, 0, f)
					synctest.Wait() // one after another, since SQLite sleeps on conflicts
					w.run(ctx, 1, nil)
					synctest.Wait()
					f.lock(func() { assigned = true })
					if err := w.members[0].Assign(0, 1); err != nil && f.hit() == "" {
						t.Fatal(err)
					}
					select {
					case <-w.through:
					case <-ctx.Done():
					}
					if hit = f.hit() != ""; hit {
						<-w.moved
					} else {
						cancel() // nothing has happened, so the second worker gets nothing
					}
					w.log.Finish()
					first := <-w.ended[0]
					if f.hit() == "COMMIT" {
						commits++
					}
					// At its end it may be fenced by the zombie, which wrote the last records.
					if err, fence := <-w.ended[1], (*stream.FencedError)(nil); err != nil && !errors.As(err, &fence) {
						t.Errorf("%s: the second worker: %v (the first: %v)", f.hit(), err, first)
					}
					if stored := w.consistent(); stored != [partitions]int64{records, records} {
						t.Errorf("%s: offsets %v", f.hit(), stored)
					}
				})
			})
			if !ok {
				return -1
			}
		}
	}
	if commits == 0 { // how many varies, since the transactions of two partitions mix
		t.Error("no COMMIT was hit")
	}
	return fenced.Load()
}

func TestCrash(t *testing.T) {
	happens(t, func(w *world, f *fault) func(*conn) error {
		return func(c *conn) error {
			f.kill()
			go func() {
				w.members[0].Crash()
				_ = w.members[1].Assign(0, 1)
				close(w.moved)
			}()
			return c.cut()
		}
	})
}

func TestRebalance(t *testing.T) {
	for name, moved := range map[string][]int{"all": {0, 1}, "one": {0}} {
		t.Run(name, func(t *testing.T) {
			fenced := happens(t, func(w *world, _ *fault) func(*conn) error {
				return func(*conn) error {
					go func() {
						_ = w.members[0].Revoke(0, moved...)
						_ = w.members[1].Assign(moved...)
						close(w.moved)
					}()
					return nil
				}
			})
			if fenced > 0 {
				t.Errorf("%d times a partition moved before its last transaction ended", fenced)
			}
		})
	}
}

// The group removes the first worker while it is suspended inside a transaction. Then it continues,
// and may even commit the transaction.
func TestZombie(t *testing.T) {
	for name, moved := range map[string][]int{"all": {0, 1}, "one": {0}} {
		t.Run(name, func(t *testing.T) {
			fenced := happens(t, func(w *world, _ *fault) func(*conn) error {
				return func(*conn) error {
					go func() {
						_ = w.members[0].Lose(moved...)
						_ = w.members[1].Assign(moved...)
						close(w.moved)
					}()
					time.Sleep(time.Second)
					return nil
				}
			})
			// With one partition moved, it depends on the order of goroutines whose COMMIT is hit.
			if name == "all" && fenced == 0 {
				t.Error("no zombie wrote after its successor had started")
			}
		})
	}
}
