package source

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// Reread implements stream.Rereader.
func (s *kafkaSource) Reread(ctx context.Context, at stream.TopicPartition, id stream.TopicID, from int64) (vals []kafka.Message, lineage stream.Lineage, next, bytes int64, err error) {
	a, err := s.fetcher.Reread(ctx, wired(at), id, from)
	if a.Deleted {
		s.in.Emit(stream.OffsetReset{TopicPartition: at, From: from, To: a.Next, Policy: "deleted"})
	}
	if bad, is := errors.AsType[*kafkaerr.BatchError](err); is {
		s.mu.Lock()
		p := s.live[wired(at)]
		s.mu.Unlock()
		if p != nil {
			p.Halt(bad.Offset, bad.Next, err) // Skip has it passed over
		}
	}
	return a.Messages, Lineage(a.Messages), a.Next, a.Bytes, err
}
