// Simple handles records one by one and commits them in batches. Failed records are logged and
// skipped.
//
//	GOTOOLCHAIN=auto go run ./examples/01_simple
//
// Order: each partition's. Speed: one record at a time, so as fast as the handler. Guarantee: at
// least once; a crash repeats up to 100 records or those of the last second. A failure: a line in
// the log, and the record is done. Use it for few records, a fast handler, and failed records that
// may be lost.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Serial(h.handle).                   // one at a time
		SkipOnError(stream.OnMatch(h.log)). // failure: log and skip
		CommitEvery(100, time.Second)       // below the work: at least once
}

// handler handles records and notes which.
type handler struct {
	*demo.Demo
	rec    demo.Recorder
	logged int // by one record at a time
}

var errSmudged = errors.New("it cannot be read")

func (h *handler) handle(_ context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if m.Offset%100 == 42 {
		return errSmudged
	}
	return nil
}

func (h *handler) log(_ context.Context, f stream.Failure) {
	h.Say("  skipped  %v", f)
	h.logged++
}

func main() { simple.Main() }

var simple = demo.Program{Name: "simple", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(1000, 0)...)
	if err != nil {
		return err
	}
	h := &handler{Demo: d}
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	rec := &h.rec
	d.Check("handled", rec.Handled()+rec.Failed() == len(records) && rec.Twice() == 0, "%d of %d records; %d failed", rec.Handled(), len(records), rec.Failed())
	d.Check("one by one", rec.Peak(demo.ByPlace) == 1, "%d at a time", rec.Peak(demo.ByPlace))
	d.Check("in order", len(rec.OutOfOrder(demo.ByPartition)) == 0, "each partition's records in order, but for %d", len(rec.OutOfOrder(demo.ByPartition)))
	d.Check("skipped", h.logged > 0 && h.logged == rec.Failed(), "the log has a line for each of the %d that failed", h.logged)
	return d.CheckCommitted(ctx)
}
