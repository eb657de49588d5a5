package inspect

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Offset is what a group has stored for a partition, and where the log is.
type Offset struct {
	wire.TopicPartition
	Committed   int64
	LeaderEpoch int32    // stored with it; -1: none
	StoredFor   [16]byte // the topic id that was stored with it; zero: none
	State       string   // the resume state, or what another client has stored; empty: nothing
	TopicID     [16]byte // that the topic has now; zero: it is gone, or has none
	Start, End  int64    // of the log, under read_committed; -1: not known
	// EpochEnd is where LeaderEpoch ends in the log now, at least Committed. A State does not
	// describe records from there on. -1: unknown.
	EpochEnd int64
	Err      error // why the offset or the log is not known
}

// Offsets returns what a group has stored, by topic and partition.
func Offsets(ctx context.Context, c *wire.Client, group string) ([]Offset, error) {
	offsets, err := stored(ctx, c, group)
	if err != nil {
		return nil, err
	}
	topics := map[string]bool{}
	for _, o := range offsets {
		topics[o.Topic] = true
	}
	found, err := c.Metadata(ctx, slices.Sorted(maps.Keys(topics))...)
	if err != nil {
		return nil, err
	}
	now := map[string]wire.Topic{}
	for _, t := range found {
		now[t.Name] = t
	}
	led := map[int32][]wire.TopicPartition{}
	for i := range offsets {
		o := &offsets[i]
		t := now[o.Topic]
		switch o.TopicID = t.ID; {
		case o.Err != nil:
		case t.Err != nil:
			o.Err = fmt.Errorf("topic %s: %w", o.Topic, t.Err)
		default:
			leader := fetch.Leader(c, o.TopicPartition)
			led[leader] = append(led[leader], o.TopicPartition)
		}
	}
	measure(ctx, c, led, offsets)
	return offsets, nil
}

// measure asks the leaders where their logs start and end.
func measure(ctx context.Context, c *wire.Client, led map[int32][]wire.TopicPartition, offsets []Offset) {
	start, end, failed := map[wire.TopicPartition]int64{}, map[wire.TopicPartition]int64{}, map[wire.TopicPartition]error{}
	ends := epochEnds(ctx, c, led, offsets)
	for leader, tps := range led {
		for at, into := range map[int64]map[wire.TopicPartition]int64{fetch.AtStart: start, fetch.AtEnd: end} {
			found, bad := fetch.List(ctx, c, leader, at, false, tps...)
			maps.Copy(into, found)
			maps.Copy(failed, bad)
		}
	}
	for i := range offsets {
		o := &offsets[i]
		if o.Err == nil {
			o.Err = failed[o.TopicPartition]
		}
		if o.Err == nil {
			o.Start, o.End = start[o.TopicPartition], end[o.TopicPartition]
		}
		if at, known := ends[o.TopicPartition]; known {
			o.EpochEnd = max(at, o.Committed) // a leader does not know each epoch
		}
	}
}

// epochEnds asks where the leader epochs that are stored with states end. An end whose request
// fails stays unknown.
func epochEnds(ctx context.Context, c *wire.Client, led map[int32][]wire.TopicPartition, offsets []Offset) map[wire.TopicPartition]int64 {
	epochs, ends := map[wire.TopicPartition]int32{}, map[wire.TopicPartition]int64{}
	for _, o := range offsets {
		if o.State != "" && o.LeaderEpoch >= 0 {
			epochs[o.TopicPartition] = o.LeaderEpoch
		}
	}
	for leader, tps := range led {
		its := map[wire.TopicPartition]int32{}
		for _, tp := range tps {
			if epoch, stored := epochs[tp]; stored {
				its[tp] = epoch
			}
		}
		if len(its) > 0 {
			found, _ := fetch.EpochEnds(ctx, c, leader, its)
			maps.Copy(ends, found)
		}
	}
	return ends
}

// stored asks the coordinator for all offsets of the group.
func stored(ctx context.Context, c *wire.Client, group string) (offsets []Offset, err error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.Topics, req.RequireStable = group, nil, true // no topics: all
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group, one.Topics = group, nil
	req.Groups = append(req.Groups, one)
	resp, err := ask[*kmsg.OffsetFetchResponse](ctx, group, "fetch its offsets", c.Group, wire.Capped{Request: req, Max: wire.FetchesOffsetsByName}, func(resp *kmsg.OffsetFetchResponse) wire.Code {
		code := wire.Code(resp.ErrorCode)
		for _, g := range resp.Groups {
			code = wire.Code(g.ErrorCode)
		}
		if code == wire.GroupIDNotFound {
			code = wire.None
		}
		return code
	})
	if err != nil {
		return nil, err
	}
	add := func(topic string, n int32, committed int64, epoch int32, metadata *string, code int16) {
		o := Offset{TopicPartition: wire.PartitionOf(topic, n), Committed: committed, LeaderEpoch: epoch, Start: -1, End: -1, EpochEnd: -1, Err: wire.Code(code).Err()}
		o.StoredFor, o.State = wire.ReadNote(metadata)
		if committed >= 0 || o.Err != nil {
			offsets = append(offsets, o)
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			add(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				add(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
	}
	slices.SortFunc(offsets, func(a, b Offset) int { return a.Compare(b.TopicPartition) })
	return offsets, nil
}
