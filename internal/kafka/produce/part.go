package produce

import (
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// part is a partition in use.
type part struct {
	topic  *topic
	number int32
	leader int32 // -1: none
	loop   *loop // of the leader; nil where there is none

	id  identity
	seq int32 // of the next batch

	queue   []*batched // the first is on its way if busy
	busy    bool
	retryAt time.Time
}

// batched is a batch, queued or on its way. Once it was sent it never changes but for being split:
// the broker knows it by its sequence and its size.
type batched struct {
	records []batch.Record
	owners  []owner // of records, by index
	size    int     // before compression, at most
	since   time.Time
	tries   int
	way     *attempt // the last try
	late    bool     // its owners were told that it failed, while it was on its way
	last    error    // why it was not written the last time

	doubtful bool // a try may have been written all the same
}

// owner is whose record it is: the i-th of a Write.
type owner struct {
	w *write
	i int32
}

// push queues a record. It reports whether that began a new batch.
func (pt *part) push(r batch.Record, size int, o owner, now time.Time) (begun bool) {
	var b *batched
	if n := len(pt.queue); n > 0 {
		b = pt.queue[n-1]
	}
	if b == nil || b.tries > 0 || b.size+size > pt.topic.p.cfg.BatchBytes {
		b = &batched{size: batch.Overhead, since: now}
		pt.queue = append(pt.queue, b)
		begun = true
	}
	b.records = append(b.records, r)
	b.owners = append(b.owners, o)
	b.size += size
	return begun
}

// pop takes the first batch out of the queue.
func (pt *part) pop() {
	pt.queue[0] = nil
	if pt.queue = pt.queue[1:]; len(pt.queue) == 0 {
		pt.queue = nil
	}
}

// ready says how long the first batch has to wait before it may be sent: 0 is now.
func (pt *part) ready(now time.Time) time.Duration {
	b := pt.queue[0]
	if d := pt.retryAt.Sub(now); d > 0 {
		return d
	}
	if linger := pt.topic.p.cfg.Linger; linger > 0 && b.tries == 0 && len(pt.queue) == 1 {
		return max(b.since.Add(linger).Sub(now), 0)
	}
	return 0
}

// expire fails everything that is queued if the first batch is overdue; if it is not, it says when
// it will be.
func (pt *part) expire(now time.Time) (due time.Time, ok bool) {
	if len(pt.queue) == 0 {
		return time.Time{}, false
	}
	timeout := pt.topic.p.cfg.DeliveryTimeout
	b := pt.queue[0]
	if b.late && len(pt.queue) > 1 {
		b = pt.queue[1]
	}
	if due = b.since.Add(timeout); now.Before(due) || b.late {
		return due, !b.late
	}
	err := b.last
	switch {
	case err != nil:
	case b != pt.queue[0]:
		err = errQueued
	case pt.busy && pt.mayHave(b):
		err = errNoAnswer
	case pt.busy:
		err = errUnreached
	case pt.topic.err != nil:
		err = pt.topic.err
	case pt.loop == nil:
		err = errNoLeader
	default:
		err = errQueued
	}
	pt.failEach(func(b *batched) error {
		return &kafkaerr.DeliveryError{Topic: pt.topic.name, Partition: int(pt.number), After: timeout, Sent: pt.mayHave(b), Err: err}
	})
	return time.Time{}, false
}

// mayHave reports whether b may be in the log, now or later. If it is on its way, but not sent yet,
// it is kept from that.
func (pt *part) mayHave(b *batched) bool {
	if !pt.busy || b != pt.queue[0] {
		return b.doubtful
	}
	if !b.way.GiveUp() {
		return true
	}
	b.way.cancel()
	return b.doubtful
}

// fail ends everything that is queued with err.
func (pt *part) fail(err error) { pt.failEach(func(*batched) error { return err }) }

// failEach ends everything that is queued with an error of its own. A batch on its way stays until
// its answer is there.
func (pt *part) failEach(why func(*batched) error) {
	rest := pt.queue
	if pt.busy {
		rest[0].late = true
	} else if len(rest) > 0 && rest[0].tries > 0 {
		pt.bump()
	}
	for _, b := range rest {
		b.done(why(b))
	}
	if pt.busy {
		pt.queue = rest[:1:1]
	} else {
		pt.queue = nil
	}
	pt.retryAt = time.Time{}
}

// done tells the owners how it ended. The second time says nothing new.
func (b *batched) done(err error) {
	for _, o := range b.owners {
		o.w.finish(int(o.i), err)
	}
	b.owners = nil
}

// drop leaves out what belongs to Writes that have given up. Only before the first time that the
// batch is sent.
func (b *batched) drop() {
	n := 0
	for i, o := range b.owners {
		if o.w.gone {
			continue
		}
		b.records[n], b.owners[n] = b.records[i], o
		n++
	}
	clear(b.records[n:])
	b.records, b.owners = b.records[:n], b.owners[:n]
}

// split halves the first batch of the queue.
func (pt *part) split() {
	b := pt.queue[0]
	n := len(b.records) / 2
	first := &batched{records: b.records[:n:n], owners: b.owners[:n:n], since: b.since, last: b.last, tries: 1, doubtful: b.doubtful}
	second := &batched{records: b.records[n:], owners: b.owners[n:], since: b.since, last: b.last, tries: 1, doubtful: b.doubtful}
	for _, half := range []*batched{first, second} {
		half.size = batch.Overhead
		for i := range half.records {
			half.size += half.records[i].MaxSize()
		}
	}
	pt.queue = append([]*batched{first, second}, pt.queue[1:]...)
}
