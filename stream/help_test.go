package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(supervisedVar); what != "" {
		os.Exit(supervised(what))
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // what fails here is meant to
	goleak.VerifyTestMain(m)
}

// input begins the chains under test; each is run on a log of its own.
var input = stream.From[string](nil)

var errBoom = errors.New("boom")

type testLog = streamtest.Log[string]

// newLog returns the topic t with so many partitions.
func newLog(partitions int) *testLog { return streamtest.NewLog[string]("t", partitions, nil) }

// put appends values to a partition, each with the key that its name begins with: a1, a2 and a3
// share the key a.
func put(l *testLog, partition int, values ...string) {
	for _, v := range values {
		l.Append(partition, v[:1], v)
	}
}

// count is n values of a key: a0, a1, …
func count(key string, n int) (vs []string) {
	for i := range n {
		vs = append(vs, fmt.Sprint(key, i))
	}
	return vs
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// job is a chain that runs.
type job struct {
	t      *testing.T
	log    *testLog
	member *streamtest.Member[string] // nil: it has all partitions
	*stream.Pipeline
	ear    *ear
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned
	err    error         // what it returned
}

// start runs a chain on all partitions of a log.
func start[T any](t *testing.T, l *testLog, s stream.Stream[T], opts ...stream.Option) *job {
	t.Helper()
	return launch(t, l, nil, s, append(opts, l.Source())...)
}

// join runs a chain as a member that has no partitions yet.
func join[T any](t *testing.T, l *testLog, s stream.Stream[T], opts ...stream.Option) *job {
	t.Helper()
	m := l.Member()
	return launch(t, l, m, s, append(opts, m.Source())...)
}

func launch[T any](t *testing.T, l *testLog, m *streamtest.Member[string], s stream.Stream[T], opts ...stream.Option) *job {
	t.Helper()
	e := new(ear)
	p, err := s.Build(append(opts, stream.Observe(stream.Observer{Event: e.hear}))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	j := &job{t: t, log: l, member: m, Pipeline: p, ear: e, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(j.ended)
		j.err = p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-j.ended
	})
	synctest.Wait()
	return j
}

// wait waits until Run has returned by itself.
func (j *job) wait() error {
	<-j.ended
	return j.err
}

// stop drains the pipeline and returns what Run returned.
func (j *job) stop() error {
	j.cancel()
	return j.wait()
}

// running reports whether Run has not returned.
func (j *job) running() bool {
	select {
	case <-j.ended:
		return false
	default:
		return true
	}
}

// committed checks the committed offsets of the log's partitions.
func (j *job) committed(want ...int64) {
	j.t.Helper()
	committed(j.t, j.log, want...)
}

func committed(t *testing.T, l *testLog, want ...int64) {
	t.Helper()
	for i, w := range want {
		if got := l.Committed(i); got != w {
			t.Errorf("partition %d: committed %d, want %d", i, got, w)
		}
	}
}

// halt is the one halt that is there.
func (j *job) halt() stream.Halt {
	j.t.Helper()
	hs := j.Halts()
	if len(hs) != 1 {
		j.t.Fatalf("halts: %v, want one", hs)
	}
	return hs[0]
}

// ear remembers events.
type ear struct {
	mu sync.Mutex
	es []stream.Event
}

func (e *ear) hear(ev stream.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.es = append(e.es, ev)
}

// heard returns the events of one type.
func heard[E stream.Event](j *job) (es []E) {
	j.ear.mu.Lock()
	defer j.ear.mu.Unlock()
	for _, e := range j.ear.es {
		if e, ok := e.(E); ok {
			es = append(es, e)
		}
	}
	return es
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	same(t, what, got, want)
}

// every retries at a fixed pace.
func every(d time.Duration, attempts int) stream.RetryPolicy {
	return stream.RetryPolicy{MaxAttempts: attempts, Wait: func(stream.Failure) time.Duration { return d }}
}

// commitNow commits as soon as a record is finished, without holding a lane for it.
func commitNow[T any](s stream.Stream[T]) stream.Stream[T] { return s.CommitEvery(1, 0) }

func pass[T any](context.Context, T) error { return nil }

type ctx = context.Context

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// thrice makes x1, x2 and x3 of x.
func thrice(_ ctx, v string) (iter.Seq[string], error) {
	return slices.Values([]string{v + "1", v + "2", v + "3"}), nil
}

// elapse lets virtual time pass, and all that happens in it settle.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// flat undoes a batch.
func flat(_ ctx, b []string) (iter.Seq[string], error) { return slices.Values(b), nil }

type seq[T any] = iter.Seq[T]

// says checks that an error has a text with each of the parts.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
}
