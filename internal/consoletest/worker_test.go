package consoletest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

const (
	operates = "olaf-may-operate-it"
	reads    = "rita-may-read-it-all"
)

// worker is a process with a console.
type worker struct {
	t      *testing.T
	log    *streamtest.Log[kafka.Message]
	p      *stream.Pipeline
	url    string
	mended atomic.Bool // the handler works
	stop   func()
}

// start runs a worker whose handler fails for values that begin with "bad", and waits until it has
// so many halts.
func start(t *testing.T, topic string, partitions, halts int, records ...string) *worker {
	t.Helper()
	return startWith(t, nil, topic, partitions, halts, records...)
}

// startWith is start with options of the API.
func startWith(t *testing.T, opts []admin.Option, topic string, partitions, halts int, records ...string) *worker {
	t.Helper()
	w := &worker{t: t, log: streamtest.Kafka(topic, partitions)}
	for i, r := range records {
		w.log.Append(i%partitions, "key "+r, kafka.Message{Value: []byte(r)})
	}
	charge := func(_ context.Context, m kafka.Message) (kafka.Message, error) {
		if len(m.Value) >= 3 && string(m.Value[:3]) == "bad" && !w.mended.Load() {
			return m, fmt.Errorf("the bank does not know %s", m.Value)
		}
		return m, nil
	}
	halted := make(chan struct{}, 100)
	p, err := stream.From[kafka.Message](nil).GroupByKey().MapConcurrent(8, charge, stream.Named("charge")).HaltOnError().CommitEach().
		Build(w.log.Source(), stream.Named("billing"), stream.BuildID(""), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, is := e.(stream.Halted); is {
				halted <- struct{}{}
			}
		}}))
	must(t, err)
	w.p = p
	w.url, w.stop = supervise(t, p, opts...)
	for range halts {
		<-halted
	}
	return w
}

// startParked is start with records that all fail alike, each of a key of its own, which is parked.
func startParked(t *testing.T, partitions, records int) *worker {
	t.Helper()
	w := &worker{t: t, log: streamtest.Kafka("orders", partitions)}
	for i := range records {
		w.log.Append(i%partitions, fmt.Sprint("key ", i), kafka.Message{})
	}
	charge := func(context.Context, kafka.Message) error {
		if w.mended.Load() {
			return nil
		}
		return errors.New("the bank is closed")
	}
	parked := make(chan struct{}, records)
	p, err := stream.From[kafka.Message](nil).GroupByKey().Concurrent(8, charge, stream.Named("charge")).ParkOnError().CommitEach().
		Build(w.log.Source(), stream.Named("billing"), stream.BuildID(""), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, is := e.(stream.Halted); is {
				parked <- struct{}{}
			}
		}}))
	must(t, err)
	w.p = p
	w.url, w.stop = supervise(t, p)
	for range records {
		<-parked
	}
	return w
}

// supervise runs a pipeline until stop is called or the test ends, and returns the address of its
// console.
func supervise(t *testing.T, p *stream.Pipeline, opts ...admin.Option) (url string, stop func()) {
	t.Helper()
	at := admin.At("127.0.0.1:0", append(opts, console.Page(), admin.Previews(nil), admin.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		admin.Token("olaf", operates, admin.Operate), admin.Token("rita", reads, admin.Read))...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stream.Supervise(p).Admin(at).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	addr, err := at.Addr(t.Context())
	must(t, err)
	return "http://" + addr.String(), stop
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
