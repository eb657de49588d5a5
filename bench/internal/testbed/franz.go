package testbed

import (
	"context"
	"errors"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FranzSettings says how [Franz] is tuned.
const FranzSettings = "`PollRecords(ctx, 10_000)`, a goroutine per partition fed through a channel of 5 fetches, `MarkCommitRecords` " +
	"of the last record of each fetch, `AutoCommitMarks`, AutoCommitInterval 1 s; a last blocking commit"

// Franz reads a topic in a group with the fastest known loop of franz-go. It calls handle for each
// record, in a goroutine per partition, until ctx ends. Then it commits the handled records and
// leaves the group. If handle returns false, the partition ends there and the record is not
// committed.
func Franz(ctx context.Context, brokers []string, group, topic string, handle func(*kgo.Record) bool) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	var lanes [Partitions]chan []*kgo.Record
	var workers conc.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan []*kgo.Record, 5)
		workers.Go(func() {
			for rs := range lanes[i] {
				n := 0
				for n < len(rs) && handle(rs[n]) {
					n++
				}
				if n > 0 {
					cl.MarkCommitRecords(rs[n-1])
				}
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
			if len(p.Records) == 0 { // that ctx has ended comes as a partition -1
				return
			}
			select {
			case lanes[p.Partition] <- p.Records:
			case <-ctx.Done():
			}
		})
	}
	for _, l := range lanes {
		close(l)
	}
	workers.Wait()
	return errors.Join(failed, cl.CommitMarkedOffsets(context.Background()))
}
