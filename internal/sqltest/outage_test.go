package sqltest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

func TestOutageInARebalance(t *testing.T) {
	outage(t, kafkatest.Fake(t).ListenAddrs())
}

func TestOutageInARebalanceRealKafka(t *testing.T) {
	outage(t, kafkatest.Real(t))
}

// outage lets a second worker join a group. Its share is assigned while the database is silent.
func outage(t *testing.T, brokers []string) {
	const half = 10 // half of each partition's records
	b := newPostgres(t)
	p, dsn := throughProxy(t, b.dsn)
	g := newGroup(t, brokers, partitions)
	produce := func() {
		for part := range int32(partitions) {
			g.produce(part, half)
		}
	}
	makeTable(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lost, failed := make(chan stream.Lost, 100), make(chan struct{}, 100)
	start := func(opened func()) *worker {
		db := (&backend{t: t, driver: b.driver, dsn: dsn}).open()
		chain := g.results().
			CommitWith(watchedOpen{sink.SQL(db, insert), opened}, 100, 10*time.Millisecond, stream.Named("book"), stream.Timeout(time.Second)).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 2}).
			HaltOnError()
		return g.start(ctx, chain, func(e stream.Event) {
			switch e := e.(type) {
			case stream.Retrying:
				if strings.Contains(e.Err.Error(), "restoring offsets") {
					failed <- struct{}{}
				}
			case stream.Lost:
				lost <- e
			}
		})
	}

	produce()
	first := start(func() {})
	g.WaitCommitted(g.name, g.topic, map[int32]int64{0: half, 1: half})
	second := start(p.silence)
	for range 3 { // one more than its policy allows for a transaction
		select {
		case <-failed:
		case err := <-second.ended:
			t.Fatalf("the second worker ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("the second worker was not assigned anything: %v", second.Ready())
		}
	}
	if err := second.Ready(); err == nil || !strings.Contains(err.Error(), "for book to restore its offset") {
		t.Errorf("Ready: %v", err)
	}
	p.speak()
	produce()
	g.WaitCommitted(g.name, g.topic, map[int32]int64{0: 2 * half, 1: 2 * half})
	for part := range partitions {
		if got := b.written(part); len(got) != 2*half || got[0] != 0 || got[2*half-1] != 2*half-1 {
			t.Errorf("partition %d: written %v", part, got)
		}
	}
	for _, w := range []*worker{first, second} {
		if err := w.Ready(); err != nil {
			t.Error(err)
		}
	}
	select {
	case l := <-lost:
		t.Errorf("%v was lost: %v", l.TopicPartition, l.Err)
	default:
	}
	cancel()
	first.stop()
	second.stop()
}

// watchedOpen calls opened when it is open, before its pipeline joins the group.
type watchedOpen struct {
	stream.Transactor[result]
	opened func()
}

func (w watchedOpen) PerPartition() bool { return true }

func (w watchedOpen) Open(ctx context.Context) error {
	defer w.opened()
	return w.Transactor.(interface{ Open(context.Context) error }).Open(ctx)
}
