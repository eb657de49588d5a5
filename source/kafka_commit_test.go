package source

import (
	"context"
	"errors"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
)

// expelled is a member that has just lost its membership.
type expelled struct{ group.Membership }

func (expelled) Commit(_ context.Context, positions map[wire.TopicPartition]group.Position) map[wire.TopicPartition]error {
	failed := map[wire.TopicPartition]error{}
	for tp := range positions {
		failed[tp] = &group.LostError{Group: "billing", Err: errors.New("not owned")}
	}
	return failed
}

// At most once depends on it: a record whose offset is not stored may be another member's.
func TestKafkaCommitOfALostPartition(t *testing.T) {
	t.Run("is no success before the pipeline knows of the loss", func(t *testing.T) {
		s := &kafkaSource{member: expelled{}}
		tp := stream.TopicPartition{Topic: "orders"}
		err := s.Commit(t.Context(), map[stream.TopicPartition]stream.Position{tp: {Offset: 1}})
		refused, ok := errors.AsType[*stream.CommitError](err)
		if !ok || !errors.Is(refused.Errs[tp], group.ErrLost) || stream.IsPermanent(err) {
			t.Errorf("Commit: %v", err)
		}
	})
}
