// Halt_partition halts the partition of a record that cannot be handled. The other partitions
// continue at full speed. The halt lasts until an operator fixes the cause and calls Resume, or
// gives up the record with Skip.
//
//	GOTOOLCHAIN=auto go run ./examples/11_halt_partition
//
// The program starts itself again as a worker process, kills it (kill -9) while two partitions are
// halted, starts another, and operates that one.
//
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, Jaeger shows all records as one trace, with a gap where a
// partition waited.
//
// Order: each partition's. Speed: one record of each partition at a time. Guarantee: at least once;
// nothing past a halted record is committed, so a restart, perhaps with new code, retries it. A
// failure: its partition waits. Use it if a record must be neither lost nor overtaken by later
// ones.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByPartition(). // order: each partition's
		Serial(h.handle).   // degree: one at a time in each
		HaltOnError().      // failure: halt that partition, the others continue
		CommitEach()        // below the work: at least once
}

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// the next process with this name takes over at once, even after a crash
	d.Kafka.InstanceID = "worker-1"
	h := &handler{poison: map[int]int64{partToFix: poisonToFix, partToSkip: poisonToSkip}}
	p, err := worker(d.Kafka, h).Build(stream.DrainTimeout(5*time.Second), stream.Observe(stream.Observer{Event: d.Hear}), d.Telemetry())
	if err != nil {
		return err
	}
	s := stream.Supervise(p).Serve("127.0.0.1:0", nil)

	ended := make(chan struct{})
	var wg conc.WaitGroup
	defer wg.Wait()
	defer close(ended)
	wg.Go(func() {
		if at, err := s.Addr(ctx); err == nil {
			d.Say("serves   http://%v", at)
		}
	})
	wg.Go(func() { operate(d, p, h, ended) })
	if err := s.Run(ctx); err != nil {
		return err
	}
	for n := range partitions {
		offsets := h.rec.Offsets()[n]
		d.Say("handled  partition %d: %d records %v", n, len(offsets), demo.Stretches(offsets))
	}
	return nil
}

// operate does what an operator would do through an endpoint of yours. Its commands are "resume 1"
// or "skip 2", with the number of a partition.
func operate(d *demo.Demo, p *stream.Pipeline, h *handler, ended <-chan struct{}) {
	for {
		var line string
		select {
		case line = <-d.Told:
		case <-ended:
		}
		var what string
		var partition int
		if _, err := fmt.Sscan(line, &what, &partition); err != nil {
			return
		}
		for _, halt := range p.Halts() {
			if halt.Meta.Partition != partition {
				continue
			}
			d.Say("operator %s: %v", what, halt)
			err := error(nil)
			if what == "resume" {
				h.fix(partition) // like the fix of a dependency
				err = p.Resume(halt)
			} else {
				err = p.Skip(halt)
			}
			if err != nil {
				d.Say("refused  %v", err)
			}
		}
	}
}

func main() { haltPartition.Main() }
