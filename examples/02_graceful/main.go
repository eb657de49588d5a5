// Graceful is a worker as Kubernetes wants it: SIGTERM in the middle of work lets what has begun
// finish and commits it, and nothing more is begun; the readiness probe fails at once, the liveness
// probe does not, and the exit code is 0.
//
//	GOTOOLCHAIN=auto go run ./examples/02_graceful
//
// The program starts itself again as a worker process, stops it in the middle, and starts a second
// one, which handles exactly the rest.
//
// Order: each partition's. Speed: a record of each partition at a time. Guarantee: at least once; a
// shutdown that drains in time repeats nothing. A failure: skipped. Use it for every worker that is
// deployed: Supervise is one line around any chain.
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

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByPartition().
		Serial(c.handle).
		SkipOnError().
		CommitEvery(100, time.Second)
}

// work is the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	c := &clerk{Demo: d, slow: slices.Contains(d.Args, "slow"), goOn: make(chan struct{})}
	p, err := worker(d.Kafka, c).Build(
		// what is unfinished then is given up; terminationGracePeriodSeconds must be longer
		stream.DrainTimeout(10*time.Second),
		stream.Observe(stream.Observer{Event: d.Hear}), d.Seen())
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
	wg.Go(func() { c.listen(ended) })
	if err := s.Run(ctx); err != nil { // until SIGTERM
		return err
	}
	for n := range partitions {
		offsets := c.tape.Offsets()[n]
		d.Say("handled  partition %d: %d records %v", n, len(offsets), demo.Stretches(offsets))
	}
	return nil
}

func main() { graceful.Main() }
