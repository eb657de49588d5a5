package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
)

var laneway = peer{
	name:     "Laneway",
	library:  "github.com/laneway-go/laneway",
	settings: "`GroupByPartition().Serial(f)`, by key `GroupByKey().Concurrent(64, f)`; `HaltOnError().CommitEvery(1_000_000, time.Second)`; all else at its default",
	beside:   "64 keys",
	failure:  "`HaltOnError`: it halts its partition, which `Halts()` reports, until `Resume` or `Skip`; records of other keys in flight finish, and neither `Resume` nor a restart repeats them",
	consume: func(ctx context.Context, j job, handle handler) error {
		f := func(_ context.Context, m kafka.Message) error { return handle(int32(m.Partition), m.Offset, m.Value) }
		s := source.Kafka(source.KafkaConfig{Brokers: j.Brokers, Group: j.Group, Topics: []string{j.Topic}})
		if j.Keyed {
			s = s.GroupByKey().Concurrent(atOnce, f)
		} else {
			s = s.GroupByPartition().Serial(f)
		}
		return s.HaltOnError().CommitEvery(1_000_000, time.Second).Run(ctx)
	},
}
