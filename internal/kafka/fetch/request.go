package fetch

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asked is a partition in a request.
type asked struct {
	part   *part
	epoch  int32
	topic  [16]byte
	served uint64

	offset     int64
	max        int
	brought    bool // it brought records
	outOfRange bool // its offset is not in the log
}

// key finds a partition of a response, which names topics by name or by id.
type key struct {
	name      string
	id        [16]byte
	partition int32
}

// fetch asks for partitions and handles the response. It returns those whose offset is out of
// range.
func (l *loop) fetch(ctx context.Context, asking []asked, patience time.Duration) (outOfRange []asked) {
	req, index := l.request(asking, patience)
	start := time.Now()
	resp, release, err := l.f.cfg.Client.Fetch(ctx, l.broker, req)
	if err != nil {
		if ctx.Err() == nil {
			l.unanswered(asking, start, err)
		}
		return nil
	}
	defer release()
	if d := time.Duration(resp.ThrottleMillis) * time.Millisecond; d > 0 {
		l.throttle(d)
	}
	if err := wire.Code(resp.ErrorCode).Err(); err != nil {
		l.unanswered(asking, start, fmt.Errorf("fetching from broker %d: %w", l.broker, err))
		return nil
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			rp := &t.Partitions[j]
			k := key{name: t.Topic, partition: rp.Partition}
			if resp.Version > 12 {
				k = key{id: t.TopicID, partition: rp.Partition}
			}
			a, ok := index[k]
			if !ok {
				continue
			}
			if l.answer(a, rp); a.outOfRange {
				outOfRange = append(outOfRange, *a)
			}
		}
	}
	return outOfRange
}

func (l *loop) request(asking []asked, patience time.Duration) (*kmsg.FetchRequest, map[key]*asked) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(patience.Milliseconds())
	req.MinBytes = 1
	req.IsolationLevel = isolation(l.f.cfg.Uncommitted)
	req.Rack = l.f.cfg.Rack
	index := make(map[key]*asked, 2*len(asking))
	topics := map[string]int{}
	total := 0
	for i := range asking {
		a := &asking[i]
		tp := a.part.tp
		at, ok := topics[tp.Topic]
		if !ok {
			at = len(req.Topics)
			topics[tp.Topic] = at
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = tp.Topic, a.topic
			req.Topics = append(req.Topics, t)
		}
		// LastFetchedEpoch stays -1: otherwise brokers may respond with divergence instead of records
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition = int32(tp.Partition)
		p.CurrentLeaderEpoch = a.epoch
		p.FetchOffset = a.offset
		p.PartitionMaxBytes = int32(a.max)
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, p)
		index[key{name: tp.Topic, partition: p.Partition}] = a
		index[key{id: a.topic, partition: p.Partition}] = a
		total += a.max
	}
	req.MaxBytes = int32(min(total, max(perFetch, asking[0].max)))
	return req, index
}

// throttle keeps all pollers from a broker that throttles, since it returns nothing until then.
func (l *loop) throttle(d time.Duration) {
	l.f.mu.Lock()
	l.throttledUntil = time.Now().Add(d)
	l.f.mu.Unlock()
	l.f.cfg.OnEvent(Event{Name: "throttled", Text: fmt.Sprintf("broker %d throttles this client for %v: a quota is used up", l.broker, d)})
}

// unanswered handles a request that failed as a whole.
func (l *loop) unanswered(asking []asked, start time.Time, err error) {
	if wire.Fatal(err) {
		l.f.fail(err)
		return
	}
	for i := range asking {
		l.f.retry(asking[i].part, err, start)
	}
	l.f.cfg.OnEvent(Event{Name: "fetch failed", Err: err, Text: fmt.Sprintf("%d partitions of broker %d wait for it or for another leader", len(asking), l.broker)})
	raise(l.f.refresh)
}
