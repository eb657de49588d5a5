package produce

import (
	"context"
	"errors"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// settle acts on the response for a batch. The package comment has the rules.
func (s *sent) settle(answer error) {
	pt, b, p := s.part, s.b, s.part.topic.p
	pt.busy = false
	var code wire.Code
	_ = errors.As(answer, &code)
	switch {
	case answer == nil, code == wire.DuplicateSequence:
		if s.id == pt.id { // not the previous transaction's
			pt.seq = (pt.seq + int32(len(b.records))) & maxSequence
		}
		pt.pop()
		b.done(nil)
		pt.retryAt = time.Time{}
	case b.late:
		pt.pop()
		pt.bump()
	case aboutOne(code) && len(b.records) > 1:
		b.last = answer
		if b.tries > 1 {
			pt.bump() // an earlier attempt may have been written
		}
		pt.split()
	case aboutOne(code):
		pt.pop()
		pt.bump()
		b.done(pt.wrong(b, code))
	case code == wire.OutOfOrderSequence, code == wire.UnknownProducerID:
		if p.cfg.TransactionalID != "" {
			pt.fail(pt.refused(answer)) // this epoch gets no other response
			break
		}
		pt.bump()
		pt.again(b, answer)
	case p.cfg.TransactionalID == "" && code == wire.InvalidProducerEpoch:
		pt.id.id = -1
		pt.again(b, answer)
		raise(p.refresh)
	case wire.Retriable(answer), errors.Is(answer, context.DeadlineExceeded), errors.Is(answer, errNoAnswer), errors.Is(answer, errUnreached):
		pt.again(b, answer)
		raise(p.refresh)
	default:
		pt.fail(pt.refused(answer))
	}
	if len(pt.queue) > 0 && pt.loop != nil {
		raise(pt.loop.wake)
	}
}

const maxSequence = 1<<31 - 1

// again keeps the batch at the head of the queue, to be sent again after a wait.
func (pt *part) again(b *batched, why error) {
	b.last = why
	pt.retryAt = time.Now().Add(retries.Wait(b.tries))
}

// aboutOne reports whether code can be the fault of a single record in the batch.
func aboutOne(code wire.Code) bool {
	switch code {
	case wire.MessageTooLarge, wire.RecordListTooLarge, wire.InvalidRecord, wire.InvalidTimestamp:
		return true
	}
	return false
}

// refusal reports whether a broker with that response has appended nothing. Other errors leave it
// open: a leader that is replaced, or whose replicas are too slow, has appended first.
func refusal(answer error) bool {
	var code wire.Code
	_ = errors.As(answer, &code)
	switch code {
	case wire.NotEnoughReplicas, wire.CorruptMessage, wire.ThrottlingQuotaExceeded, wire.OutOfOrderSequence, wire.UnknownProducerID, wire.InvalidProducerEpoch,
		wire.ConcurrentTransactions, wire.CoordinatorLoading, wire.CoordinatorNotAvailable, wire.NotCoordinator:
		return true
	}
	return aboutOne(code) || wire.Fatal(answer)
}

// wrong returns the error of the only record in b.
func (pt *part) wrong(b *batched, code wire.Code) error {
	switch code {
	case wire.MessageTooLarge, wire.RecordListTooLarge:
		return &kafkaerr.TooLargeError{Topic: pt.topic.name, Size: b.records[0].MaxSize(), Err: code}
	}
	return &kafkaerr.RefusedError{Topic: pt.topic.name, Partition: int(pt.number), Err: code}
}

func (pt *part) refused(err error) error {
	switch {
	case errors.Is(err, wire.ErrClosed), errors.Is(err, context.Canceled):
		return wire.ErrClosed
	case wire.Fatal(err):
		var code wire.Code
		if errors.As(err, &code) {
			return &kafkaerr.TopicError{Topic: pt.topic.name, Err: err}
		}
		return err
	}
	return &kafkaerr.RefusedError{Topic: pt.topic.name, Partition: int(pt.number), Err: err}
}
