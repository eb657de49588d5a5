package fetch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// followFor is how long a leader's advice to read from a replica is valid.
const followFor = 5 * time.Minute

// place assigns each partition to the loop of its leader, and starts loops as needed. It reports
// whether some have no leader.
func (f *Fetcher) place(start func(*loop)) (missing bool) {
	var fresh []*loop
	leaderless := map[wire.TopicPartition]error{}
	f.mu.Lock()
	for _, p := range f.parts {
		if p.stopped {
			continue
		}
		t, _ := f.cfg.Client.Topic(p.tp.Topic)
		broker, err := t.LeaderOf(p.tp.Partition)
		if err != nil {
			missing = true
			if p.troubled(time.Now(), false) {
				leaderless[p.tp] = troubleOf(p.tp, err)
			}
			continue
		}
		if p.replica >= 0 && time.Since(p.advised) < followFor {
			broker = p.replica
		}
		l := f.loops[broker]
		if l == nil {
			l = &loop{f: f, broker: broker, wake: make(chan struct{}, 1)}
			f.loops[broker] = l
			fresh = append(fresh, l)
		}
		if p.topic == ([16]byte{}) {
			p.topic = t.ID
		}
		if epoch := t.Partitions[int32(p.tp.Partition)].LeaderEpoch; p.home != l || p.epoch != epoch {
			p.home, p.epoch = l, epoch
			p.retryAt = time.Time{}
			raise(l.wake)
		}
	}
	f.mu.Unlock()
	for _, l := range fresh {
		start(l)
	}
	for tp, err := range leaderless {
		f.cfg.OnTrouble(tp, err)
	}
	return missing
}

// ask asks the cluster for the partitions' leaders. A failure is retried next time.
func (f *Fetcher) ask(ctx context.Context) {
	topics := f.topics()
	if len(topics) == 0 {
		return
	}
	found, err := f.cfg.Client.Metadata(ctx, topics...)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && wire.Fatal(err):
		f.fail(err)
		return
	case err != nil:
		f.away = true
		f.cfg.OnEvent(Event{Name: "metadata failed", Err: err, Text: "it retries"})
		return
	case f.away:
		f.away = false
		f.cfg.OnEvent(Event{Name: "recovered", Text: "the cluster answers again"})
	}
	for _, t := range found {
		f.know(ctx, t)
	}
}

func (f *Fetcher) topics() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := map[string]struct{}{}
	for tp := range f.parts {
		set[tp.Topic] = struct{}{}
	}
	return slices.Sorted(maps.Keys(set))
}

// denied reports the partitions of a topic that may not be read.
func (f *Fetcher) denied(t wire.Topic) {
	var report []wire.TopicPartition
	f.mu.Lock()
	for tp, p := range f.parts {
		if tp.Topic == t.Name && p.troubled(time.Now(), true) {
			report = append(report, tp)
		}
	}
	f.mu.Unlock()
	for _, tp := range report {
		f.cfg.OnTrouble(tp, troubleOf(tp, t.Err))
	}
}

// know handles a topic's metadata: the topic may be gone, or recreated.
func (f *Fetcher) know(ctx context.Context, t wire.Topic) {
	if t.Err != nil && !wire.CodeOf(t.Err).In(wire.NoTopic) {
		if wire.Fatal(t.Err) {
			f.denied(t)
		}
		return // it is read as it was known, or waits for a leader
	}
	now := time.Now()
	var recreated []*part
	var lost error
	f.mu.Lock()
	for tp, p := range f.parts {
		if tp.Topic != t.Name {
			continue
		}
		switch _, there := t.Partitions[int32(tp.Partition)]; {
		case t.Err == nil && there:
			p.unknown = time.Time{}
			if p.topic != ([16]byte{}) && t.ID != ([16]byte{}) && p.topic != t.ID && !p.stopped {
				p.stopped = true
				recreated = append(recreated, p)
			}
		case p.unknown.IsZero():
			p.unknown = now
		case now.Sub(p.unknown) > f.cfg.UnknownTopicTimeout:
			lost = &kafkaerr.TopicError{Topic: t.Name, Err: fmt.Errorf("partition %d has been unknown for %v: %w", tp.Partition, f.cfg.UnknownTopicTimeout, wire.UnknownTopicOrPartition)}
		}
	}
	f.mu.Unlock()
	if lost != nil {
		f.fail(lost)
		return
	}
	for _, p := range recreated {
		err := f.cfg.OnRecreated(ctx, p.tp, t.ID)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if wire.Fatal(err) {
			f.fail(err)
			return
		}
		f.cfg.OnEvent(Event{Name: "reset failed", TopicPartition: p.tp, Err: err, Text: "the topic was recreated, and its start offset is not available yet; it retries"})
		f.mu.Lock()
		p.stopped = false
		f.mu.Unlock()
		f.Refresh()
	}
}
