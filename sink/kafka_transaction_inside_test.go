package sink

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/transact"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
)

// Below a Merge, CommitWith knows a partition only by its source's name too.
func TestKafkaTransactionErrors(t *testing.T) {
	tp := wire.TopicPartition{Topic: "orders", Partition: 3}
	for name, c := range map[string]struct {
		err   error
		parts func(error) []stream.TopicPartition
	}{
		"of a deleted topic": {&transact.GoneError{Parts: []wire.TopicPartition{tp}}, func(err error) []stream.TopicPartition {
			gone, _ := errors.AsType[*stream.TopicGoneError](err)
			return gone.Partitions
		}},
		"of an old generation": {&transact.StaleError{Parts: []wire.TopicPartition{tp}, Err: wire.IllegalGeneration}, func(err error) []stream.TopicPartition {
			stale, _ := errors.AsType[*stream.StaleGroupError](err)
			return stale.Partitions
		}},
		"of a refused offset": {&transact.RefusedError{Errs: map[wire.TopicPartition]error{tp: wire.TopicAuthorization}}, func(err error) []stream.TopicPartition {
			refused, _ := errors.AsType[*stream.CommitError](err)
			return slices.Collect(maps.Keys(refused.Errs))
		}},
	} {
		t.Run(name+" name the partitions with their source", func(t *testing.T) {
			want := []stream.TopicPartition{{Topic: "orders", Partition: 3, Source: "eu"}}
			if got := c.parts(asTransactor(c.err, []string{"eu"})); !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
		})
	}
}
