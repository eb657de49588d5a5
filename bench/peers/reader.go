package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc/pool"
)

// reader uses kafka-go's manual commits: FetchMessage, CommitMessages.
var reader = peer{
	name:     "kafka.Reader",
	library:  "github.com/segmentio/kafka-go",
	settings: "one `FetchMessage` loop, by key a goroutine and a channel of 10,000 per partition; MinBytes 1, MaxBytes 10 MB, MaxWait 100 ms, QueueCapacity 10,000; `CommitMessages` every second, for the last message of each partition",
	beside:   "8 partitions",
	failure:  "none: the loop retries it in place, or skips it, which loses it",
	consume: func(ctx context.Context, j job, handle handler) error {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: j.Brokers, GroupID: j.Group, Topic: j.Topic, MinBytes: 1, MaxBytes: 10e6,
			MaxWait: 100 * time.Millisecond, QueueCapacity: 10_000, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 100 * time.Millisecond})
		read := readAll
		if j.Keyed {
			read = readByPartition
		}
		return errors.Join(read(ctx, r, j, handle), r.Close())
	},
}

// readAll is one loop over all partitions.
func readAll(ctx context.Context, r *kafka.Reader, j job, handle handler) error {
	tails := make([]kafka.Message, len(j.To)) // the last message handled of each partition
	commit := func() error {
		var ms []kafka.Message
		for i, m := range tails {
			if m.Topic != "" {
				ms, tails[i] = append(ms, m), kafka.Message{}
			}
		}
		return r.CommitMessages(context.Background(), ms...)
	}
	next := time.Now().Add(time.Second)
	for n := 1; ; n++ {
		m, err := r.FetchMessage(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil || !again(ctx, handle, int32(m.Partition), m.Offset, m.Value) {
			return commit()
		}
		tails[m.Partition] = m
		if n%1000 == 0 && time.Now().After(next) {
			if err := commit(); err != nil {
				return err
			}
			next = time.Now().Add(time.Second)
		}
	}
}

// readByPartition runs a loop that passes each partition's messages to a goroutine of its own.
func readByPartition(ctx context.Context, r *kafka.Reader, j job, handle handler) error {
	lanes := make([]chan kafka.Message, len(j.To))
	workers := pool.New().WithErrors()
	for i := range lanes {
		lanes[i] = make(chan kafka.Message, 10_000)
		workers.Go(func() error { return readLane(ctx, r, lanes[i], handle) })
	}
	var failed error
	for ctx.Err() == nil {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			if ctx.Err() == nil {
				failed = err
			}
			break
		}
		select {
		case lanes[m.Partition] <- m:
		case <-ctx.Done():
		}
	}
	for _, l := range lanes {
		close(l)
	}
	return errors.Join(failed, workers.Wait())
}

// readLane handles one partition's messages and commits every second.
func readLane(ctx context.Context, r *kafka.Reader, lane <-chan kafka.Message, handle handler) error {
	var last kafka.Message
	n, next := 0, time.Now().Add(time.Second)
	for m := range lane {
		if !again(ctx, handle, int32(m.Partition), m.Offset, m.Value) {
			break
		}
		last = m
		if n++; n%1000 == 0 && time.Now().After(next) {
			if err := r.CommitMessages(context.Background(), last); err != nil {
				return err
			}
			next = time.Now().Add(time.Second)
		}
	}
	if last.Topic == "" {
		return nil
	}
	return r.CommitMessages(context.Background(), last)
}
