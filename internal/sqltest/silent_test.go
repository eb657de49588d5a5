package sqltest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// tenant is one of several pipelines that share a database.
type tenant struct {
	*group
	*worker
	name    string
	part    int           // partition number of its results
	opened  func()        // called once it is open, before it joins
	restore chan struct{} // an attempt to restore its offset has failed
	commit  chan struct{} // a transaction has failed
}

// failed notes which kind of attempt has failed.
func (te *tenant) failed(e stream.Event) {
	f, ok := e.(stream.AttemptFailed)
	if !ok {
		return
	}
	of := te.commit
	if strings.Contains(f.Err.Error(), "restoring offsets") {
		of = te.restore
	}
	select {
	case of <- struct{}{}:
	default:
	}
}

// until waits for an event while the tenant runs.
func (te *tenant) until(ctx context.Context, event <-chan struct{}) {
	te.t.Helper()
	select {
	case <-event:
	case err := <-te.ended:
		te.t.Fatalf("%s ended: %v", te.name, err)
	case <-ctx.Done():
		te.t.Fatalf("%s has not seen it: %v", te.name, te.Ready())
	}
}

func TestSilentDatabase(t *testing.T) {
	const half = 10 // of the records of each
	b := newPostgres(t)
	p, dsn := throughProxy(t, b.dsn)
	makeTable(t, b)
	shared := (&backend{t: t, driver: b.driver, dsn: dsn}).open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := func(te *tenant) {
		tx := sink.SQL(shared, insert, sink.ForPipeline(te.name))
		chain := te.results().
			Map(func(_ context.Context, r result) (result, error) { return result{te.part, r.value}, nil }).
			CommitWith(watchedOpen{tx, te.opened}, 100, 10*time.Millisecond, stream.Timeout(time.Second)).
			RetryOnError(stream.RetryPolicy{Unlimited: true}).
			HaltOnError()
		te.worker = te.start(ctx, chain, te.failed, stream.DrainTimeout(time.Second))
	}
	brokers := kafkatest.Fake(t).ListenAddrs()
	tenants := []*tenant{{name: "one", part: 1}, {name: "two", part: 2}}
	for _, te := range tenants {
		te.group = newGroup(t, brokers, 1)
		te.opened, te.restore, te.commit = func() {}, make(chan struct{}, 1), make(chan struct{}, 1)
		te.produce(0, half)
	}
	committed := func(records int64) {
		t.Helper()
		for _, te := range tenants {
			te.WaitCommitted(te.group.name, te.topic, map[int32]int64{0: records})
			got := b.written(te.part)
			if len(got) != int(records) || !slices.IsSorted(got) || len(slices.Compact(got)) != int(records) {
				t.Errorf("%s: written %v, want each of %d once", te.name, got, records)
			}
		}
	}

	t.Run("at the join of two pipelines lets both wait", func(t *testing.T) {
		first, second := tenants[0], tenants[1]
		isOpen, silent := make(chan struct{}), make(chan struct{})
		first.opened = func() { close(isOpen); <-silent } // both join a silent database
		second.opened = func() { p.silence(); close(silent) }
		start(first)
		first.until(ctx, isOpen)
		start(second)
		for _, te := range tenants {
			te.until(ctx, te.restore)
			if err := te.Ready(); err == nil || !strings.Contains(err.Error(), "to restore its offset") {
				t.Errorf("%s: Ready: %v", te.name, err)
			}
		}
		p.speak()
		committed(half)
	})
	t.Run("in the drain of two pipelines ends both in time, and repeats nothing", func(t *testing.T) {
		p.silence()
		for _, te := range tenants {
			te.produce(0, half)
			te.until(ctx, te.commit)
		}
		for _, te := range tenants {
			te.cancel()
		}
		for _, te := range tenants {
			select {
			case err := <-te.ended:
				if !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), " of "+te.topic+"[0]") {
					t.Errorf("%s: Run: %v", te.name, err)
				}
			case <-ctx.Done():
				t.Fatalf("%s has not ended", te.name)
			}
		}
		p.speak()
		for _, te := range tenants {
			te.opened = func() {}
			start(te)
		}
		committed(2 * half)
		for _, te := range tenants {
			te.stop()
		}
	})
	t.Run("while it opens does not make the end of the pipeline a failure", func(t *testing.T) {
		p.silence()
		defer p.speak()
		for _, tx := range []stream.Transactor[result]{sink.SQL(shared, insert), sink.SQL(shared, insert, sink.CreateTable())} {
			opening := make(chan struct{})
			w := tenants[0].start(ctx, tenants[0].results().CommitWith(opensLate{tx, opening}, 100, 0), func(stream.Event) {})
			<-opening
			w.stop()
		}
	})
}

// opensLate tells when Open is called.
type opensLate struct {
	stream.Transactor[result]
	opening chan struct{}
}

func (o opensLate) PerPartition() bool { return true }

func (o opensLate) Open(ctx context.Context) error {
	close(o.opening)
	return o.Transactor.(interface{ Open(context.Context) error }).Open(ctx)
}
