package streamtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// Log is a topic in memory: partitions of records, and the offsets that a group has committed, with
// their resume states. Its methods may be called at any time, from any goroutine.
type Log[T any] struct {
	topic string
	stamp func(*T, stream.Meta)

	mu       sync.Mutex // guards the fields below
	id       stream.TopicID
	parts    []*partition[T]
	finished bool
	limit    int           // largest state in bytes
	changed  chan struct{} // closed and replaced when anything above changes
}

type partition[T any] struct {
	entries []entry[T]
	end     int64
	reigns  []reign // never empty
	stored  stored
	stop    int64 // the offset to stop at; -1: none
}

type entry[T any] struct {
	meta  stream.Meta
	value T
}

// NewLog returns an empty log of any element type. stamp, if not nil, writes a record's position
// into each appended value.
func NewLog[T any](topic string, partitions int, stamp func(*T, stream.Meta)) *Log[T] {
	l := &Log[T]{topic: topic, stamp: stamp, limit: stateBytes, parts: make([]*partition[T], partitions), changed: make(chan struct{})}
	l.create()
	return l
}

// create creates the topic, empty.
func (l *Log[T]) create() {
	binary.BigEndian.PutUint64(l.id[8:], binary.BigEndian.Uint64(l.id[8:])+1)
	for n := range l.parts {
		l.parts[n] = &partition[T]{reigns: []reign{{}}, stored: nothing, stop: -1}
	}
}

// Recreate deletes and recreates the topic: under the same name, with another id, and without
// records or committed offsets. Members lose their partitions of the old topic, whose offsets are
// no longer committed, and start at offset 0 of the new one.
func (l *Log[T]) Recreate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.create()
	l.broadcast()
}

// ID returns the topic's id.
func (l *Log[T]) ID() stream.TopicID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// Kafka returns a log of Kafka messages, for chains that start with source.Kafka. Topic, partition,
// offset, key and time are set as by a broker; headers are in the lineage too.
func Kafka(topic string, partitions int) *Log[kafka.Message] {
	return NewLog(topic, partitions, func(m *kafka.Message, meta stream.Meta) {
		m.Topic, m.Partition, m.Offset, m.Time = meta.Topic, meta.Partition, meta.Offset, meta.Time
		if m.Key == nil {
			m.Key = meta.Key
		}
	})
}

// Append adds records with a key (empty: none) to a partition and returns the offset of the last.
func (l *Log[T]) Append(partition int, key string, values ...T) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.part(partition)
	for _, v := range values {
		meta := stream.Meta{Topic: l.topic, Partition: partition, Offset: p.end, Time: time.Now()}
		if key != "" {
			meta.Key = []byte(key)
		}
		if l.stamp != nil {
			l.stamp(&v, meta)
		}
		meta.Headers = headers(v)
		p.entries = append(p.entries, entry[T]{meta, v})
		p.end++
	}
	l.broadcast()
	return p.end - 1
}

// headers returns the headers of a Kafka message; nil for other values.
func headers(v any) (hs []stream.Header) {
	if m, ok := v.(kafka.Message); ok {
		for _, h := range m.Headers {
			hs = append(hs, stream.Header(h))
		}
	}
	return hs
}

// AppendGap adds n offsets without records to a partition, as compaction and control records do.
func (l *Log[T]) AppendGap(partition int, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).end += n
	l.broadcast()
}

// Finish says that nothing more is appended. A source that has fed everything then ends, and Run
// returns once all is finished.
func (l *Log[T]) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
	l.broadcast()
}

// StopAt holds back the records of a partition from offset on, until StopAt is called with a higher
// offset, or with -1.
func (l *Log[T]) StopAt(partition int, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stop = offset
	l.broadcast()
}

// Committed returns the group's committed offset, -1 for none.
func (l *Log[T]) Committed(partition int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(partition).stored.offset
}

// SetCommitted commits an offset without a state, as an operator who resets a group does, or
// another client.
func (l *Log[T]) SetCommitted(partition int, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stored = stored{offset: offset, epoch: -1}
	l.broadcast()
}

// End returns the offset of the partition's next record.
func (l *Log[T]) End(partition int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(partition).end
}

// WaitCommitted waits until at least offset is committed, or ctx ends.
func (l *Log[T]) WaitCommitted(ctx context.Context, partition int, offset int64) error {
	for {
		l.mu.Lock()
		committed, changed := l.part(partition).stored.offset, l.changed
		l.mu.Unlock()
		if committed >= offset {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s[%d]: committed %d, waited for %d: %w", l.topic, partition, committed, offset, context.Cause(ctx))
		}
	}
}

func (l *Log[T]) part(n int) *partition[T] {
	if n < 0 || n >= len(l.parts) {
		panic(fmt.Sprintf("streamtest: %s has partitions 0…%d, not %d", l.topic, len(l.parts)-1, n))
	}
	return l.parts[n]
}

// broadcast wakes all waiters. The caller holds mu.
func (l *Log[T]) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log[T]) changes() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// read returns up to n records from an offset on, the position after them and the gaps that follow,
// the end of the log, and the epoch at that position. It returns no records if the topic was
// recreated.
func (l *Log[T]) read(id stream.TopicID, part int, from int64, n int) (es []entry[T], next, end int64, epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != id {
		return nil, from, -1, -1
	}
	p := l.part(part)
	limit := p.end
	if p.stop >= 0 {
		limit = min(limit, p.stop)
	}
	next = max(from, limit)
	for _, e := range p.entries {
		if e.meta.Offset < from {
			continue
		}
		if e.meta.Offset >= limit || len(es) == n {
			next = min(e.meta.Offset, limit)
			break
		}
		es = append(es, e)
	}
	next = max(from, next)
	return es, next, p.end, p.epochAt(next - 1)
}

// fed reports whether the log is finished and has nothing from the given positions on.
func (l *Log[T]) fed(next map[int]int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.finished {
		return false
	}
	for n, at := range next {
		if at < l.part(n).end {
			return false
		}
	}
	return true
}

// commit stores positions with the leader epochs of their partitions. It returns the partitions of
// a topic that is gone, and those whose state was refused.
func (l *Log[T]) commit(positions map[stream.TopicPartition]stream.Position, epochs map[int]int32) (gone, refused []stream.TopicPartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tp, at := range positions {
		if at.TopicID != l.id {
			gone = append(gone, tp)
			continue
		}
		if l.keep(tp.Partition, at, epochs[tp.Partition]) {
			refused = append(refused, tp)
		}
	}
	l.broadcast()
	return gone, refused
}
