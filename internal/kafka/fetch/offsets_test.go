package fetch

import (
	"errors"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestEpochEnds(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 0, 10)
	c := wire.New(wire.Config{Brokers: k.ListenAddrs()})
	defer c.Close()
	known := func() {
		t.Helper()
		if _, err := c.Metadata(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
	}
	move := func() {
		t.Helper()
		if err := k.MoveTopicPartition("orders", 0, 1-k.LeaderFor("orders", 0)); err != nil {
			t.Fatal(err)
		}
	}
	known()
	tp, other := wire.PartitionOf("orders", 0), wire.PartitionOf("orders", 1)
	first := k.PartitionInfo("orders", 0).Epoch
	move()
	move()
	// The same leader was elected again. A request with its earlier epoch is fenced.
	found, failed := EpochEnds(t.Context(), c, Leader(c, tp), map[wire.TopicPartition]int32{tp: first})
	if len(found) > 0 || !errors.Is(failed[tp], wire.FencedLeaderEpoch) {
		t.Errorf("found %v, failed %v", found, failed)
	}
	known()
	write(t, prod, "orders", 0, 5)
	for epoch, want := range map[int32]int64{first: 10, first + 2: 15, first + 9: -1} {
		if found, failed = EpochEnds(t.Context(), c, Leader(c, tp), map[wire.TopicPartition]int32{tp: epoch}); len(failed) > 0 || found[tp] != want {
			t.Errorf("epoch %d ends at %v, want %d; failed %v", epoch, found, want, failed)
		}
	}
	if found, failed = EpochEnds(t.Context(), c, -1, map[wire.TopicPartition]int32{tp: 0, other: 0}); len(found) > 0 || len(failed) != 2 || !errors.Is(failed[other], wire.LeaderNotAvailable) {
		t.Errorf("found %v, failed %v", found, failed)
	}
}
