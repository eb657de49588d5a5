package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// position is a position in a topic: an offset, or a time.
type position struct {
	at     time.Time
	offset int64 // where at is zero; negative: one of those below
}

var (
	atStart = position{offset: kafka.FirstOffset}
	atEnd   = position{offset: kafka.LastOffset}
)

// parsePosition reads a flag.
func parsePosition(flag, text string, now time.Time) (position, error) {
	if text == "earliest" {
		return atStart, nil
	}
	if number, is := strings.CutPrefix(text, "@"); is {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 {
			return position{offset: n}, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return position{at: now.Add(-d)}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return position{at: at}, nil
	}
	return position{}, usage("%s %s: write a duration before now, such as 1h30m, a time, such as 2026-01-31T03:00:00Z, an offset, such as @41207, or earliest", flag, text)
}

// extent is the offsets of a partition to read: from ≤ offset < until.
type extent struct{ from, until int64 }

// spans finds the offsets between two positions in each partition that has any.
func (r *replay) spans(ctx context.Context, t *kafka.Transport, from, until position) (map[stream.TopicPartition]extent, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	l, err := r.look(ctx, t, r.topic)
	if err != nil {
		return nil, err
	}
	for _, p := range r.partitions {
		if !slices.Contains(l.partitions, p) {
			return nil, usage("--partition %d: topic %s has %d partitions", p, r.topic, len(l.partitions))
		}
	}
	if len(r.partitions) > 0 {
		l.partitions = slices.Compact(slices.Sorted(slices.Values(r.partitions)))
	}
	var found [4]map[int]int64
	for i, p := range []position{atStart, atEnd, from, until} {
		if found[i], err = l.find(ctx, p); err != nil {
			return nil, err
		}
	}
	spans := map[stream.TopicPartition]extent{}
	for _, p := range l.partitions {
		first, last := found[0][p], found[1][p]
		e := extent{max(found[2][p], first), min(found[3][p], last)}
		if e.from < e.until {
			spans[stream.TopicPartition{Topic: r.topic, Partition: p}] = e
		}
	}
	return spans, nil
}

// find returns the offset of a position in each partition. If all records are older than a time,
// that is the end.
func (l *log) find(ctx context.Context, p position) (map[int]int64, error) {
	offsets := map[int]int64{}
	if p.at.IsZero() && p.offset >= 0 {
		for _, n := range l.partitions {
			offsets[n] = p.offset
		}
		return offsets, nil
	}
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}, IsolationLevel: kafka.ReadCommitted}
	for _, n := range l.partitions {
		one := kafka.OffsetRequest{Partition: n, Timestamp: p.offset}
		if !p.at.IsZero() {
			one = kafka.TimeOffsetOf(n, p.at)
		}
		req.Topics[l.topic] = append(req.Topics[l.topic], one)
	}
	resp, err := l.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("finding offsets of %s: %w", l.topic, err)
	}
	for _, o := range resp.Topics[l.topic] {
		if o.Error != nil {
			err = errors.Join(err, fmt.Errorf("finding an offset of %s[%d]: %w", l.topic, o.Partition, o.Error))
		}
		switch {
		case p == atStart:
			offsets[o.Partition] = o.FirstOffset
		case p == atEnd:
			offsets[o.Partition] = o.LastOffset
		default:
			offsets[o.Partition] = noneIsEnd(o)
		}
	}
	return offsets, err
}

// noneIsEnd returns the only offset in an answer about a time. Without a record of that time or
// later, it is the end.
func noneIsEnd(o kafka.PartitionOffsets) int64 {
	for at := range o.Offsets {
		if at >= 0 {
			return at
		}
	}
	return 1<<63 - 1
}
