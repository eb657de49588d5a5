// Admin operates a worker over HTTP. A record that cannot be handled halts its partition. An
// operator asks the admin API what is wrong, is refused without a token, resumes the halt, and is
// told that it is gone when a colleague tries the same.
//
//	GOTOOLCHAIN=auto go run ./examples/23_admin
//
// With -forever the halt is left to you: open the address that it prints, which has a page for it.
//
// Order: each key's. Speed: 16 keys at a time. Guarantee: at least once. A failure: its partition
// waits for Resume or Skip. Use it where people on call should not need the code to act.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().                 // order: each key's
		Concurrent(16, h.handle).     // degree: 16 keys at a time
		HaltOnError().                // failure: halt that partition, the others continue
		CommitEvery(100, time.Second) // below the work: at least once
}

// operate serves the API and the console beside the worker.
func operate(secret string) *admin.Server {
	return admin.At("127.0.0.1:0", // loopback; beyond it, TLS or a word that says "plaintext"
		admin.Token("olaf", secret, admin.Operate), // who may change things; without one, a token is made
		admin.Previews(nil),                        // shows records to those with a token
		console.Page())
}

var errUnknown = errors.New("the currency is unknown")

// handler handles records, except for one until its cause is fixed.
type handler struct {
	rec    demo.Recorder
	poison kafka.Message
	fixed  atomic.Bool
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if m.Partition == h.poison.Partition && m.Offset == h.poison.Offset && !h.fixed.Load() {
		return errUnknown
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { program.Main() }

const (
	partitions = 4
	records    = 800
	keys       = 40
)

var program = demo.Program{Name: "admin", Partitions: partitions, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	seeded, err := d.Seed(ctx, demo.Numbered(records, keys)...)
	if err != nil {
		return err
	}
	h := &handler{poison: seeded[records/4]}
	halted := make(chan struct{}, 1) // never closed
	all, committed := d.AllCommitted()
	p, err := worker(d.Kafka, h).Build(stream.DrainTimeout(time.Second), d.Telemetry(), stream.Observe(all, stream.Observer{Event: func(e stream.Event) {
		d.Hear(e)
		if _, is := e.(stream.Halted); is {
			select {
			case halted <- struct{}{}:
			default:
			}
		}
	}}))
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	secret := rand.Text() // yours is in a file or the environment
	api := operate(secret)
	o := &operator{Demo: d, handler: h, secret: secret, halted: halted}
	if err := o.beside(ctx, api, committed, stream.Supervise(p).Admin(api).Run); err != nil {
		return err
	}
	d.Check("handled", h.rec.Handled() == records, "%d of %d records", h.rec.Handled(), records)
	return d.CheckCommitted(ctx)
}
