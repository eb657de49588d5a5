// Halt_partition freezes the partition of a record that cannot be handled, and goes on with the
// others at full speed, until somebody has mended the cause and says Resume, or gives the record up
// and says Skip.
//
//	GOTOOLCHAIN=auto go run ./examples/11_halt_partition
//
// The program starts itself again as a worker process, kills it (kill -9) while two partitions are
// halted, starts another, and operates that one.
//
// With OTEL_EXPORTER_OTLP_ENDPOINT set, Jaeger shows all records as one trace, and the gap where a
// partition waited.
//
// Order: each partition's. Speed: a record of each partition at a time. Guarantee: at least once;
// nothing past a halted record is committed, so a restart tries it again: the code may be new. A
// failure: its partition waits. Use it where a record must not be lost, nor overtaken by those
// behind it.
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

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByPartition(). // order: each partition's
		Serial(c.handle).   // degree: one at a time in each
		HaltOnError().      // failure: freeze that partition, the others go on
		CommitEach()        // below the work: at least once
}

// work is the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// whoever starts next with this name takes over at once, also after a crash
	d.Kafka.InstanceID = "worker-1"
	c := &clerk{poison: map[int]int64{partToMend: poisonToMend, partToSkip: poisonToSkip}}
	p, err := worker(d.Kafka, c).Build(stream.DrainTimeout(5*time.Second), stream.Observe(stream.Observer{Event: d.Hear}), d.Seen())
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
	wg.Go(func() { operate(d, p, c, ended) })
	if err := s.Run(ctx); err != nil {
		return err
	}
	for n := range partitions {
		offsets := c.tape.Offsets()[n]
		d.Say("handled  partition %d: %d records %v", n, len(offsets), demo.Stretches(offsets))
	}
	return nil
}

// operate does what an operator would by an endpoint of yours: it is told "resume 1" or "skip 2",
// the number being a partition's.
func operate(d *demo.Demo, p *stream.Pipeline, c *clerk, ended <-chan struct{}) {
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
		for _, h := range p.Halts() {
			if h.Meta.Partition != partition {
				continue
			}
			d.Say("operator %s: %v", what, h)
			err := error(nil)
			if what == "resume" {
				c.mend(partition) // as a fixed dependency would
				err = p.Resume(h)
			} else {
				err = p.Skip(h)
			}
			if err != nil {
				d.Say("refused  %v", err)
			}
		}
	}
}

func main() { haltPartition.Main() }
