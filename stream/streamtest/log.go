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

// Log is one topic in memory: partitions of records, and the offsets that a group has committed,
// with their resume states.
// Its methods may be called at any time, from any goroutine.
type Log[T any] struct {
	topic string
	stamp func(*T, stream.Meta)

	mu       sync.Mutex // guards what follows
	id       stream.TopicID
	parts    []*partition[T]
	finished bool
	limit    int           // of a state's bytes
	changed  chan struct{} // closed and replaced when anything above changes
}

type partition[T any] struct {
	entries []entry[T]
	end     int64
	reigns  []reign // never empty
	stored  stored
	stop    int64 // nothing at or above is fed; -1: no such limit
}

type entry[T any] struct {
	meta  stream.Meta
	value T
}

// NewLog returns an empty log of any element type. stamp, where given, writes a record's place into
// the value as it is appended.
func NewLog[T any](topic string, partitions int, stamp func(*T, stream.Meta)) *Log[T] {
	l := &Log[T]{topic: topic, stamp: stamp, limit: stateBytes, parts: make([]*partition[T], partitions), changed: make(chan struct{})}
	l.create()
	return l
}

// create makes the topic, empty.
func (l *Log[T]) create() {
	binary.BigEndian.PutUint64(l.id[8:], binary.BigEndian.Uint64(l.id[8:])+1)
	for n := range l.parts {
		l.parts[n] = &partition[T]{reigns: []reign{{}}, stored: nothing, stop: -1}
	}
}

// Recreate deletes the topic and makes it again: one of the same name that has another id, no
// records, and no committed offsets. Members lose what they have of the old one, whose offsets are
// not committed any more, and begin at offset 0 of the new one.
func (l *Log[T]) Recreate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.create()
	l.broadcast()
}

// ID is the topic's id.
func (l *Log[T]) ID() stream.TopicID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// Kafka returns a log of Kafka messages, for chains that begin with source.Kafka. Topic, partition,
// offset, key and time are set as by a broker; their headers are in the lineage too.
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

// headers are those of a value that has some: a Kafka message.
func headers(v any) (hs []stream.Header) {
	if m, ok := v.(kafka.Message); ok {
		for _, h := range m.Headers {
			hs = append(hs, stream.Header(h))
		}
	}
	return hs
}

// AppendGap adds n offsets without records to a partition, as compaction and control records leave
// them.
func (l *Log[T]) AppendGap(partition int, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).end += n
	l.broadcast()
}

// Finish says that nothing more is appended: a source that has fed everything ends, and so does Run
// when all is finished.
func (l *Log[T]) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
	l.broadcast()
}

// StopAt keeps the record at offset, and everything behind it in the partition, from being fed
// until StopAt is called with a higher offset, or -1.
func (l *Log[T]) StopAt(partition int, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stop = offset
	l.broadcast()
}

// Committed is the offset that the group has committed, -1 for none.
func (l *Log[T]) Committed(partition int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(partition).stored.offset
}

// SetCommitted sets it, as an operator does who resets a group, or another client that knows of no
// states: there is none with it.
func (l *Log[T]) SetCommitted(partition int, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stored = stored{offset: offset, epoch: -1}
	l.broadcast()
}

// End is the offset that the next record of the partition gets.
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
			return fmt.Errorf("%s[%d]: %d is committed, %d was waited for: %w", l.topic, partition, committed, offset, context.Cause(ctx))
		}
	}
}

func (l *Log[T]) part(n int) *partition[T] {
	if n < 0 || n >= len(l.parts) {
		panic(fmt.Sprintf("streamtest: %s has partitions 0…%d, not %d", l.topic, len(l.parts)-1, n))
	}
	return l.parts[n]
}

// broadcast tells everybody who waits. The caller holds mu.
func (l *Log[T]) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log[T]) changes() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// read returns up to n records from an offset on, the position behind them and the gaps that
// follow, and the epoch there; nothing where the topic is another one by now.
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

// fed reports whether a finished log has nothing from the given positions on.
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

// commit stores positions with the leader epochs of the partitions, and returns those that are of a
// topic that is gone, and those whose state was refused.
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
