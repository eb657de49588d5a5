package ops_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func value(m kafka.Message) string { return string(m.Value) }

var input = source.Kafka(source.KafkaConfig{Brokers: []string{"unused:9092"}, Group: "g", Topics: []string{"orders"}})

// deduped is a worker that handles each id once.
func deduped(window int, handle func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
	return input.GroupByPartition().Via(ops.Dedup(value, window)).Serial(handle).HaltOnError().CommitEach()
}

// start runs a worker in the background until all its goroutines wait.
func start(t *testing.T, from stream.Option, s stream.Stream[kafka.Message]) (*stream.Pipeline, <-chan error) {
	t.Helper()
	p, err := s.Build(from)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- p.Run(t.Context()) }()
	synctest.Wait()
	return p, ended
}

func messages(ids ...string) (ms []kafka.Message) {
	for _, id := range ids {
		ms = append(ms, kafka.Message{Value: []byte(id)})
	}
	return ms
}

func TestDedup(t *testing.T) {
	t.Run("passes each id once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "b", "a", "c", "b", "a")...)
			log.Finish()
			var got []string
			err := deduped(10, func(_ context.Context, m kafka.Message) error {
				got = append(got, string(m.Value))
				return nil
			}).Run(t.Context(), log.Source())
			if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) || log.Committed(0) != 6 {
				t.Fatalf("%v: %v, committed %d", err, got, log.Committed(0))
			}
		})
	})
	t.Run("forgets the oldest id beyond its window", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			out := sink.Slice[string]()
			err := source.Slice("a", "b", "c", "a", "c").
				Via(ops.Dedup(func(s string) string { return s }, 2)).To(out).Run(t.Context(), stream.MaxInFlight(1))
			if got := out.Values(); err != nil || !slices.Equal(got, []string{"a", "b", "c", "a"}) {
				t.Fatalf("%v: %v", err, got)
			}
		})
	})
	t.Run("takes no retried record for its own duplicate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "b")...)
			var got []string
			broken := true
			p, ended := start(t, log.Source(), deduped(10, func(_ context.Context, m kafka.Message) error {
				if broken {
					return errors.New("the database is down")
				}
				got = append(got, string(m.Value))
				return nil
			}))
			broken = false
			for _, h := range p.Halts() {
				if err := p.Resume(h); err != nil {
					t.Error(err)
				}
			}
			log.Finish()
			if err := <-ended; err != nil || !slices.Equal(got, []string{"a", "b"}) {
				t.Fatalf("%v: %v", err, got)
			}
		})
	})
	t.Run("drops a duplicate of an id in flight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "a", "b")...)
			log.Finish()
			var mu sync.Mutex
			var got []string
			err := input.Via(ops.Dedup(value, 10)).
				Concurrent(8, func(_ context.Context, m kafka.Message) error {
					mu.Lock()
					got = append(got, string(m.Value))
					mu.Unlock()
					time.Sleep(time.Second)
					return nil
				}).CommitEach().Run(t.Context(), log.Source())
			slices.Sort(got)
			if err != nil || !slices.Equal(got, []string{"a", "b"}) || log.Committed(0) != 3 {
				t.Fatalf("%v: %v, committed %d", err, got, log.Committed(0))
			}
		})
	})
	t.Run("always has one of two duplicates processed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "a")...)
			p, err := deduped(10, func(context.Context, kafka.Message) error { return errors.New("down") }).Build(log.Source())
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			synctest.Wait()
			stop()
			if err := <-ended; err != nil || log.Committed(0) > 0 {
				t.Fatalf("%v; committed %d before either record finished", err, log.Committed(0))
			}
			log.Finish()
			var got []int64
			err = deduped(10, func(_ context.Context, m kafka.Message) error {
				got = append(got, m.Offset)
				return nil
			}).Run(t.Context(), log.Source())
			if err != nil || !slices.Equal(got, []int64{0}) || log.Committed(0) != 2 {
				t.Fatalf("%v; processed %v after a restart, committed %d", err, got, log.Committed(0))
			}
		})
	})
	t.Run("forgets a skipped record", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a")...)
			var got []int64
			p, ended := start(t, log.Source(), deduped(10, func(_ context.Context, m kafka.Message) error {
				if m.Offset == 0 {
					return errors.New("broken")
				}
				got = append(got, m.Offset)
				return nil
			}))
			for _, h := range p.Halts() {
				if err := p.Skip(h); err != nil {
					t.Error(err)
				}
			}
			log.Append(0, "", messages("a")...)
			log.Finish()
			if err := <-ended; err != nil || !slices.Equal(got, []int64{1}) {
				t.Fatalf("%v: %v", err, got)
			}
		})
	})
	// Below CommitBefore a key counts once its record has finished there.
	t.Run("remembers records finished below a commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "b", "a")...)
			log.Finish()
			var got []string
			err := input.GroupByPartition().CommitBefore(1, 0).Via(ops.Dedup(value, 10)).
				Serial(func(_ context.Context, m kafka.Message) error {
					got = append(got, string(m.Value))
					return nil
				}).Run(t.Context(), log.Source())
			if err != nil || !slices.Equal(got, []string{"a", "b"}) {
				t.Fatalf("%v: %v", err, got)
			}
		})
	})
	// A batch is handled as one: its key counts once all its records have finished.
	t.Run("remembers a batch once all its records have finished", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "", messages("a", "b", "a", "c")...)
			log.Finish()
			var got []int64
			err := input.Batch(2, time.Second).
				Via(ops.Dedup(func(ms []kafka.Message) string { return string(ms[0].Value) }, 10)).
				Serial(func(_ context.Context, ms []kafka.Message) error {
					for _, m := range ms {
						got = append(got, m.Offset)
					}
					return nil
				}).CommitEach().Run(t.Context(), log.Source())
			if err != nil || !slices.Equal(got, []int64{0, 1}) || log.Committed(0) != 4 {
				t.Fatalf("%v: %v, committed %d", err, got, log.Committed(0))
			}
		})
	})
	t.Run("has a memory of its own for each step", func(t *testing.T) {
		out := sink.Slice[string]()
		err := source.Slice("apple", "avocado", "banana", "apple").
			Via(ops.Dedup(func(s string) string { return s }, 10)).
			Via(ops.Dedup(func(s string) byte { return s[0] }, 10)).To(out).Run(t.Context(), stream.MaxInFlight(1))
		if got := out.Values(); err != nil || !slices.Equal(got, []string{"apple", "banana"}) {
			t.Fatalf("%v: %v", err, got)
		}
	})
	t.Run("may stand twice in a chain", func(t *testing.T) {
		out := sink.Slice[string]()
		once := ops.Dedup(func(s string) string { return s }, 10)
		err := source.Slice("a", "b", "a").Via(once).Via(once).To(out).Run(t.Context(), stream.MaxInFlight(1))
		if got := out.Values(); err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("%v: %v", err, got)
		}
	})
	t.Run("is refused by Build if it cannot work", func(t *testing.T) {
		_, err := source.Slice("a").Via(ops.Dedup(func(s string) string { return s }, 0)).Via(ops.Dedup[string, string](nil, 10)).Build()
		for _, want := range []string{"Dedup with a window of 0 remembers nothing: window is at least 1", "Dedup was given a nil func: pass a function"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: want %q in it", err, want)
			}
		}
	})
}
