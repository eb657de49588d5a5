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
	leader int32 // -1 for none
	loop   *loop // of the leader, or nil

	id  identity
	seq int32 // of the next batch

	queue   []*batched // if busy, the first one is in flight
	busy    bool
	retryAt time.Time
}

// batched is a batch, queued or in flight. After its first send it never changes except by a split,
// since the broker knows it by its sequence and size.
type batched struct {
	records []batch.Record
	owners  []owner // of records, by index
	size    int     // before compression, at most
	since   time.Time
	tries   int
	way     *attempt // the last attempt
	late    bool     // its owners were told that it failed while it was in flight
	last    error    // the error of the last attempt

	doubtful bool // an attempt may have been written despite its error
}

// owner names the Write of a record, and the record's index there.
type owner struct {
	w *write
	i int32
}

// push queues a record. It reports whether that started a new batch.
func (pt *part) push(r batch.Record, size int, o owner, now time.Time) (started bool) {
	var b *batched
	if n := len(pt.queue); n > 0 {
		b = pt.queue[n-1]
	}
	if b == nil || b.tries > 0 || b.size+size > pt.topic.p.cfg.BatchBytes {
		b = &batched{size: batch.Overhead, since: now}
		pt.queue = append(pt.queue, b)
		started = true
	}
	b.records = append(b.records, r)
	b.owners = append(b.owners, o)
	b.size += size
	return started
}

// pop removes the first batch of the queue.
func (pt *part) pop() {
	pt.queue[0] = nil
	if pt.queue = pt.queue[1:]; len(pt.queue) == 0 {
		pt.queue = nil
	}
}

// ready returns how long the first batch must wait before it is sent; 0 is now.
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

// expire fails everything queued if the first batch is overdue. Otherwise it returns when the batch
// will be.
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

// mayHave reports whether b may be in the log, now or later. A batch that is about to be sent is
// stopped instead.
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

// fail fails everything queued with err.
func (pt *part) fail(err error) { pt.failEach(func(*batched) error { return err }) }

// failEach fails everything queued, each batch with an error of its own. A batch in flight stays
// until its response arrives.
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

// done reports the outcome to the owners. A second call does nothing.
func (b *batched) done(err error) {
	for _, o := range b.owners {
		o.w.finish(int(o.i), err)
	}
	b.owners = nil
}

// drop removes the records of Writes that have given up. Call it only before the first send of the
// batch.
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
