// Parallel handles up to a hundred records at a time, in any order, but never commits past an
// unfinished one.
//
//	GOTOOLCHAIN=auto go run ./examples/04_parallel
//
// Order: none. Speed: 100 records at a time, of any partition. Guarantee: at least once; a crash
// repeats records finished above an unfinished one. A failure: skipped. Use it for independent
// records: sending mails, resizing pictures.
package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Concurrent(atATime, h.handle).         // degree: 100 at a time; order: none
		SkipOnError().                         // failure: skip
		CommitEvery(100, 100*time.Millisecond) // below the work: at least once
}

const (
	atATime    = 100
	partitions = 3
	records    = 3000
	slowOffset = 7 // of partition 0
)

// handler handles records. One of them lasts until all others are finished.
type handler struct {
	*demo.Demo
	rec       demo.Recorder
	start     demo.Meeting
	left      atomic.Int64  // unfinished records without the slow one
	others    chan struct{} // closed once they are finished
	committed int64         // of the slow record's partition, when only it was left
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if err := h.start.Await(ctx, atATime); err != nil {
		return err
	}
	if m.Partition == 0 && m.Offset == slowOffset && !h.Forever {
		return h.slow(ctx)
	}
	err = demo.Pause(ctx, time.Millisecond)
	if h.left.Add(-1) == 0 {
		close(h.others)
	}
	return err
}

// slow outlasts all other records, then asks the broker for the committed offset.
func (h *handler) slow(ctx context.Context) error {
	select {
	case <-h.others:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return h.AwaitOffsets(ctx, func(committed, ends map[int]int64) bool {
		h.committed = committed[0]
		for n := 1; n < partitions; n++ {
			if committed[n] < ends[n] {
				return false
			}
		}
		return true
	})
}

func main() { parallel.Main() }

var parallel = demo.Program{Name: "parallel", Partitions: partitions, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, 0)...); err != nil {
		return err
	}
	h := &handler{Demo: d, others: make(chan struct{})}
	h.left.Store(records - 1)
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	rec := &h.rec
	d.Check("handled", rec.Handled() == records && rec.Twice() == 0, "%d of %d records", rec.Handled(), records)
	d.Check("at a time", rec.Peak(demo.ByPlace) == atATime, "%d records", rec.Peak(demo.ByPlace))
	d.Check("no gap", h.committed <= slowOffset, "with offset %d unfinished and all %d others through, the broker had %d committed for that partition", slowOffset, records-1, h.committed)
	return d.CheckCommitted(ctx)
}
