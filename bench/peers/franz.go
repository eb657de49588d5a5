package main

import (
	"context"
	"errors"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz-go's own examples: group_consuming, and goroutine_per_partition_consuming with marks.
var franz = peer{
	name:     "franz-go",
	library:  "github.com/twmb/franz-go",
	settings: "one `PollFetches` loop with autocommit, by key its example of a goroutine per partition (`AutoCommitMarks`, `BlockRebalanceOnPoll`, `PollRecords(10_000)`, channels of 5); AutoCommitInterval 1 s; a last blocking commit",
	beside:   "8 partitions",
	failure:  "none: the loop tries it again in place; `PauseFetchPartitions` is there to build more with",
	consume: func(ctx context.Context, j job, handle handler) error {
		if j.Keyed {
			return pollByPartition(ctx, j, handle)
		}
		return pollAll(ctx, j, handle)
	},
}

func franzClient(j job, more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(j.Brokers...), kgo.ConsumerGroup(j.Group), kgo.ConsumeTopics(j.Topic),
		kgo.AutoCommitInterval(time.Second)}, more...)...)
}

// pollAll is one loop over all partitions, for handlers that do not fail: a poll commits what the one before it returned.
func pollAll(ctx context.Context, j job, handle handler) error {
	cl, err := franzClient(j)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { _ = handle(r.Partition, r.Offset, r.Key) })
	}
	return cl.CommitUncommittedOffsets(context.Background())
}

// pollByPartition has a loop that hands each partition's records to a goroutine of its own, which marks what it has handled.
func pollByPartition(ctx context.Context, j job, handle handler) error {
	cl, err := franzClient(j, kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll())
	if err != nil {
		return err
	}
	defer cl.CloseAllowingRebalance()
	lanes := make([]chan []*kgo.Record, len(j.To))
	var workers conc.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan []*kgo.Record, 5)
		workers.Go(func() {
			for rs := range lanes[i] {
				n := 0
				for n < len(rs) && again(ctx, handle, rs[n].Partition, rs[n].Offset, rs[n].Key) {
					n++
				}
				cl.MarkCommitRecords(rs[:n]...)
				if n < len(rs) {
					return
				}
			}
		})
	}
	var failed error
	for ctx.Err() == nil && failed == nil {
		fetches := cl.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			failed = err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Err != nil { // that ctx has ended comes as a partition -1
				return
			}
			select {
			case lanes[p.Partition] <- p.Records:
			case <-ctx.Done():
			}
		})
		cl.AllowRebalance()
	}
	for _, l := range lanes {
		close(l)
	}
	workers.Wait()
	return errors.Join(failed, cl.CommitMarkedOffsets(context.Background()))
}
