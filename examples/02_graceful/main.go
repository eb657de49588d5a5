// Graceful is a worker for Kubernetes. After SIGTERM it starts no record, finishes and commits the
// started ones, and exits with 0. The readiness probe fails at once, the liveness probe stays 200.
//
//	GOTOOLCHAIN=auto go run ./examples/02_graceful
//
// The program starts itself again as a worker process, stops it in the middle of its work, and
// starts a second one, which handles exactly the rest.
//
// Order: each partition's. Speed: one record of each partition at a time. Guarantee: at least once;
// a drain that ends in time repeats nothing. A failure: skipped. Use it for every deployed worker:
// Supervise is one line around any chain.
package main

import (
	"context"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByPartition().
		Serial(h.handle).
		SkipOnError().
		CommitEvery(100, time.Second)
}

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	h := &handler{Demo: d, slow: slices.Contains(d.Args, "slow"), proceed: make(chan struct{})}
	p, err := worker(d.Kafka, h).Build(
		// unfinished records are given up after it; terminationGracePeriodSeconds must be longer
		stream.DrainTimeout(10*time.Second),
		stream.Observe(stream.Observer{Event: d.Hear}), d.Telemetry())
	if err != nil {
		return err
	}
	s := stream.Supervise(p).Serve("127.0.0.1:0", nil) // /livez and /readyz; ":8080" in a container

	ended := make(chan struct{})
	var wg conc.WaitGroup
	defer wg.Wait()
	defer close(ended)
	wg.Go(func() {
		if at, err := s.Addr(ctx); err == nil {
			d.Say("serves   http://%v", at)
		}
	})
	wg.Go(func() { h.listen(ended) })
	if err := s.Run(ctx); err != nil { // until SIGTERM
		return err
	}
	for n := range partitions {
		offsets := h.rec.Offsets()[n]
		d.Say("handled  partition %d: %d records %v", n, len(offsets), demo.Stretches(offsets))
	}
	return nil
}

func main() { graceful.Main() }
