package source

import (
	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// feeding is a pipeline's partition as the fetch loop feeds it.
type feeding struct {
	*stream.Partition[kafka.Message]
}

func (f feeding) Feed(msgs []kafka.Message, next, bytes int64) {
	f.Partition.Feed(msgs, Lineage(msgs), next, bytes)
}

func (f feeding) TopicID() [16]byte { return f.Partition.TopicID() }

// limited is a partition that is read up to an offset, and without it.
type limited struct {
	fetch.Partition
	to      int64
	reached func() // called when there is nothing more to read; more than once
}

func (l limited) Room() (int, int64) {
	if l.Next() >= l.to {
		return 0, 0
	}
	return l.Partition.Room()
}

func (l limited) Feed(msgs []kafka.Message, next, bytes int64) {
	for len(msgs) > 0 && msgs[len(msgs)-1].Offset >= l.to {
		msgs = msgs[:len(msgs)-1]
	}
	next = min(next, l.to)
	if len(msgs) == 0 {
		l.Advance(next, l.to)
		return
	}
	l.Partition.Feed(msgs, next, bytes)
	l.check()
}

func (l limited) Advance(next, end int64) {
	l.Partition.Advance(min(next, l.to), min(end, l.to))
	l.check()
}

// check goes by where the partition is: it takes nothing while it is halted or at its end.
func (l limited) check() {
	if l.Next() >= l.to {
		l.reached()
	}
}

func (l limited) Halt(offset, next int64, err error) {
	l.Partition.Halt(offset, min(next, l.to), err)
}
