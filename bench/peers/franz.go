package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

var franz = peer{
	name:     "franz-go",
	library:  "github.com/twmb/franz-go",
	settings: testbed.FranzSettings,
	beside:   "8 partitions",
	failure:  "none: the loop retries it in place; `PauseFetchPartitions` allows to build more",
	consume: func(ctx context.Context, j job, handle handler) error {
		return testbed.Franz(ctx, j.Brokers, j.Group, j.Topic, func(r *kgo.Record) bool {
			return again(ctx, handle, r.Partition, r.Offset, r.Value)
		})
	},
}
