package cookbook

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// bank charges orders. Each call takes a second.
type bank struct {
	mu            sync.Mutex
	charged       []string
	now, most     int
	fails, always map[string]error // by order: once, or each time
}

func (b *bank) charge(ctx context.Context, o Order) (Receipt, error) {
	b.mu.Lock()
	b.now++
	b.most = max(b.most, b.now)
	b.mu.Unlock()
	time.Sleep(time.Second)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now--
	if err := b.always[o.ID]; err != nil {
		return Receipt{}, err
	}
	if err := b.fails[o.ID]; err != nil {
		delete(b.fails, o.ID)
		return Receipt{}, err
	}
	b.charged = append(b.charged, o.ID)
	return Receipt{Order: o.ID}, ctx.Err()
}

// sorted are the charged orders by their names.
func (b *bank) sorted() []string { return slices.Sorted(slices.Values(b.charged)) }

// logOf has an order for each id. Its first letter is its key and its customer.
func logOf(ids ...string) *streamtest.Log[kafka.Message] {
	log := streamtest.Kafka("orders", 1)
	for _, id := range ids {
		log.Append(0, id[:1], kafka.Message{Value: fmt.Appendf(nil, `{"ID": %q, "Customer": %q}`, id, id[:1])})
	}
	return log
}

// run runs a chain until it has finished and committed the orders. It returns how long that took.
func run[T any](t *testing.T, chain stream.Stream[T], log *streamtest.Log[kafka.Message]) time.Duration {
	t.Helper()
	log.Finish()
	began := time.Now()
	if err := chain.Run(t.Context(), log.Source(), stream.Observe()); err != nil {
		t.Fatal(err)
	}
	if log.Committed(0) != log.End(0) {
		t.Errorf("committed %d of %d", log.Committed(0), log.End(0))
	}
	return time.Since(began)
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

var orders source.KafkaConfig // the tests replace the source

func TestOrder(t *testing.T) {
	bubble(t, "PerKey", func(t *testing.T) {
		b := new(bank)
		took := run(t, PerKey(orders, b.charge), logOf("a1", "a2", "b1", "b2"))
		if took != 2*time.Second || b.most != 2 {
			t.Errorf("took %v, %d at a time", took, b.most)
		}
	})
	bubble(t, "PerCustomer", func(t *testing.T) {
		b := new(bank)
		log := logOf("a1", "b1")
		log.Append(0, "another key", kafka.Message{Value: []byte(`{"ID": "a2", "Customer": "a"}`)})
		if took := run(t, PerCustomer(orders, b.charge), log); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "Unordered", func(t *testing.T) {
		b := new(bank)
		if took := run(t, Unordered(orders, b.charge), logOf("a1", "a2", "a3")); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "Batched", func(t *testing.T) {
		b, sizes := new(bank), []int(nil)
		store := func(_ context.Context, rs []Receipt) error { sizes = append(sizes, len(rs)); return nil }
		run(t, Batched(orders, b.charge, store), logOf("a1", "b1", "c1"))
		if !slices.Equal(sizes, []int{3}) {
			t.Errorf("batches of %v", sizes)
		}
	})
	bubble(t, "Throttled", func(t *testing.T) {
		b := new(bank)
		var ids []string
		for i := range 60 {
			ids = append(ids, fmt.Sprint("a", i))
		}
		if took := run(t, Throttled(orders, b.charge), logOf(ids...)); took < time.Second || b.most > 8 {
			t.Errorf("took %v, %d at a time", took, b.most)
		}
	})
	bubble(t, "Shared", func(t *testing.T) {
		b := new(bank)
		one, two := Shared(orders, orders, b.charge, b.charge)
		var ids []string
		for i := range 10 {
			ids = append(ids, fmt.Sprint("a", i))
		}
		other := make(chan struct{})
		first, second := logOf(ids...), logOf(ids...)
		first.Finish()
		go func() {
			defer close(other)
			if err := one.Run(t.Context(), first.Source()); err != nil {
				t.Error(err)
			}
		}()
		run(t, two, second)
		<-other
		if b.most != 10 {
			t.Errorf("%d at a time", b.most)
		}
	})
	bubble(t, "Once", func(t *testing.T) {
		b := new(bank)
		run(t, Once(orders, b.charge), logOf("a1", "b1", "a1"))
		if !slices.Equal(b.sorted(), []string{"a1", "b1"}) {
			t.Errorf("charged %v", b.charged)
		}
	})
	bubble(t, "Live", func(t *testing.T) {
		b := new(bank)
		log := logOf("a1")
		log.Append(0, "a", kafka.Message{})
		run(t, Live(orders, b.charge), log)
		if !slices.Equal(b.charged, []string{"a1"}) {
			t.Errorf("charged %v", b.charged)
		}
	})
}
