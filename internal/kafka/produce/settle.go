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
	code := wire.CodeOf(answer)
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
	case code.In(wire.Record) && len(b.records) > 1:
		b.last = answer
		if b.tries > 1 {
			pt.bump() // an earlier attempt may have been written
		}
		pt.split()
	case code.In(wire.Record):
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

// wrong returns the error of the only record in b.
func (pt *part) wrong(b *batched, code wire.Code) error {
	if code.In(wire.Oversize) {
		return &kafkaerr.TooLargeError{Topic: pt.topic.name, Size: b.records[0].MaxSize(), Err: code}
	}
	return &kafkaerr.RefusedError{Topic: pt.topic.name, Partition: int(pt.number), Err: code}
}

func (pt *part) refused(err error) error {
	switch {
	case errors.Is(err, wire.ErrClosed), errors.Is(err, context.Canceled):
		return wire.ErrClosed
	case wire.Fatal(err):
		if wire.CodeOf(err) != wire.None {
			return &kafkaerr.TopicError{Topic: pt.topic.name, Err: err}
		}
		return err
	}
	return &kafkaerr.RefusedError{Topic: pt.topic.name, Partition: int(pt.number), Err: err}
}
