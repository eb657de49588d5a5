package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

var laneway = peer{
	name:     "Laneway",
	library:  "github.com/laneway-go/laneway",
	settings: "`GroupByPartition().Serial(f)`, by key `GroupByKey().Concurrent(64, f)`; `HaltOnError().CommitEvery(1_000_000, time.Second)`; `MaxInFlight(16_384, 64<<20)`; all else as it comes",
	beside:   "64 keys",
	failure:  "`HaltOnError`: its partition is frozen and told by `Halts()`, for `Resume`, which repeats none, or `Skip`; keys at work beside it finish, and a restart repeats them",
	consume: func(ctx context.Context, j job, handle handler) error {
		f := func(_ context.Context, m kafka.Message) error { return handle(int32(m.Partition), m.Offset, m.Value) }
		s := source.Kafka(source.KafkaConfig{Brokers: j.Brokers, Group: j.Group, Topics: []string{j.Topic}})
		if j.Keyed {
			s = s.GroupByKey().Concurrent(atOnce, f)
		} else {
			s = s.GroupByPartition().Serial(f)
		}
		return s.HaltOnError().CommitEvery(1_000_000, time.Second).Run(ctx, stream.MaxInFlight(16_384, 64<<20))
	},
}
