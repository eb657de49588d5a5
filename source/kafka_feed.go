package source

import (
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// feeding is a pipeline's partition, to be fed by the fetch loop.
type feeding struct {
	*stream.Partition[kafka.Message]
	epoch *leaderEpoch
}

func (f feeding) Feed(msgs []kafka.Message, next, bytes int64, epoch int32) {
	f.epoch.raise(epoch) // before a commit can include records of this epoch
	f.Partition.Feed(msgs, Lineage(msgs), next, bytes)
}

func (f feeding) TopicID() [16]byte { return f.Partition.TopicID() }

// restarted is a partition that must start at another offset than before, since its log was
// truncated or replaced.
type restarted struct {
	feeding
	to      int64
	cause   error
	refuse  func(error)
	started bool // used only by the poller that has the partition
}

// Room checks once where the partition starts: a transactor may have stored the old offset.
func (r *restarted) Room() (int, int64) {
	records, bytes := r.feeding.Room()
	if r.started || records == 0 {
		return records, bytes
	}
	r.started = true
	if next := r.Next(); next != r.to {
		r.refuse(fmt.Errorf("%v: %w, but offset %d is stored with the transactions: remove that offset, or store the offsets under another name [LW405]",
			r.TopicPartition(), r.cause, next))
		return 0, 0
	}
	return records, bytes
}

// limited is a partition that is read up to an offset, exclusive.
type limited struct {
	fetch.Partition
	to      int64
	reached func() // called, possibly more than once, when there is nothing more to read
}

func (l limited) Room() (int, int64) {
	records, bytes := l.Partition.Room()
	if l.check(); l.Next() >= l.to { // a transactor may have stored an offset at the limit
		return 0, 0
	}
	return records, bytes
}

func (l limited) Feed(msgs []kafka.Message, next, bytes int64, epoch int32) {
	for len(msgs) > 0 && msgs[len(msgs)-1].Offset >= l.to {
		msgs = msgs[:len(msgs)-1]
	}
	next = min(next, l.to)
	if len(msgs) == 0 {
		l.Advance(next, l.to)
		return
	}
	l.Partition.Feed(msgs, next, bytes, epoch)
	l.check()
}

func (l limited) Advance(next, end int64) {
	l.Partition.Advance(min(next, l.to), min(end, l.to))
	l.check()
}

// check looks at the partition's position, since a halted partition does not accept what it is fed.
func (l limited) check() {
	if l.Next() >= l.to {
		l.reached()
	}
}

func (l limited) Halt(offset, next int64, err error) {
	l.Partition.Halt(offset, min(next, l.to), err)
}
