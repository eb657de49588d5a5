package fetch

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What List may be asked for besides a time in milliseconds.
const (
	AtEnd   int64 = -1
	AtStart int64 = -2
)

// List finds an offset in each of the partitions: AtStart, AtEnd (under read_committed: behind the last finished transaction), or that of the
// first record of a time in milliseconds or later, -1 where there is none. It tries on until ctx ends.
func List(ctx context.Context, c Client, at int64, uncommitted bool, tps ...TP) (map[TP]int64, error) {
	found := make(map[TP]int64, len(tps))
	for tries := 0; ; tries++ {
		var left []TP
		for _, tp := range tps {
			if _, ok := found[tp]; !ok {
				left = append(left, tp)
			}
		}
		if len(left) == 0 {
			return found, nil
		}
		var last error
		if tries > 0 {
			if pause(ctx, retryWait(tries), nil, nil); ctx.Err() == nil {
				if _, err := c.Metadata(ctx, topicsOf(left)...); wire.Fatal(err) {
					return nil, err
				}
			}
		}
		for leader, tps := range byLeader(c, left) {
			if err := listAt(ctx, c, leader, at, uncommitted, tps, found); err != nil {
				last = err
			}
		}
		switch {
		case ctx.Err() != nil && last != nil:
			return nil, fmt.Errorf("looking up offsets: %w; the last try: %w", ctx.Err(), last)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("looking up offsets: %w", ctx.Err())
		case last != nil && !wire.Retriable(last):
			return nil, fmt.Errorf("looking up offsets: %w", last)
		}
	}
}

func topicsOf(tps []TP) []string {
	seen := map[string]bool{}
	var names []string
	for _, tp := range tps {
		if !seen[tp.Topic] {
			seen[tp.Topic] = true
			names = append(names, tp.Topic)
		}
	}
	return names
}

// byLeader leaves out what has no leader at the moment.
func byLeader(c Client, tps []TP) map[int32][]TP {
	by := map[int32][]TP{}
	for _, tp := range tps {
		t, _ := c.Topic(tp.Topic)
		if p, ok := t.Partitions[int32(tp.Partition)]; ok && p.Leader >= 0 {
			by[p.Leader] = append(by[p.Leader], tp)
		}
	}
	return by
}

func listAt(ctx context.Context, c Client, leader int32, at int64, uncommitted bool, tps []TP, found map[TP]int64) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = isolation(uncommitted)
	index := map[string]int{}
	for _, tp := range tps {
		i, ok := index[tp.Topic]
		if !ok {
			i = len(req.Topics)
			index[tp.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(tp.Partition), at
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	r, err := c.Broker(ctx, leader, req)
	if err != nil {
		return err
	}
	var last error
	for _, t := range r.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			tp := TP{t.Topic, int(p.Partition)}
			if err := wire.Code(p.ErrorCode).Err(); err != nil {
				if last = (&wire.TopicError{Topic: t.Topic, Err: err}); !wire.Retriable(err) {
					return last
				}
				continue
			}
			found[tp] = p.Offset
		}
	}
	return last
}

// repositionFor bounds one try to find where to go on; the next answer out of range begins another.
const repositionFor = 30 * time.Second

// reposition applies the reset policy to a partition that this goroutine has.
func (f *Fetcher) reposition(ctx context.Context, p *part, from int64, why string) {
	ctx, cancel := context.WithTimeout(ctx, repositionFor)
	defer cancel()
	first, err := List(ctx, f.cfg.Client, AtStart, f.cfg.Uncommitted, p.tp)
	var last map[TP]int64
	if err == nil {
		last, err = List(ctx, f.cfg.Client, AtEnd, f.cfg.Uncommitted, p.tp)
	}
	if err != nil {
		if wire.Fatal(err) {
			f.fail(err)
			return
		}
		f.cfg.OnEvent(Event{Name: "reset failed", TP: p.tp, Err: err, Text: "it is tried again"})
		f.retry(p)
		return
	}
	to := first[p.tp]
	switch f.cfg.Reset {
	case Latest:
		to = last[p.tp]
	case Fail:
		f.fail(&OutOfRangeError{TP: p.tp, Offset: from, Earliest: first[p.tp], Latest: last[p.tp], Why: why})
		return
	}
	back := to < from
	moved := p.do(func() {
		if !back {
			p.p.Advance(to, last[p.tp])
		}
	})
	if !moved {
		return
	}
	f.mu.Lock()
	p.stopped = back
	f.mu.Unlock()
	f.cfg.OnReset(p.tp, from, to, back)
}
