package group

import (
	"context"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// Position is a group's offset and the data stored with it.
type Position struct {
	Offset  int64    // next offset to read; -1: none is committed
	TopicID [16]byte // id of the partition's topic; zero: unknown
	State   string   // the rest of its metadata; empty: none
	// epoch of the leader of the newest record before Offset, or described by State; -1: unknown, so it
	// is never taken for a truncation
	LeaderEpoch int32
	// id of the topic that the offset was committed for, if known: if it differs, the offset is invalid
	StoredFor [16]byte
}

// ids returns the ids of the existing topics of tps. Without a Config.TopicIDs, all topics count as
// existing, without an id.
func (m *Member) ids(ctx context.Context, tps []wire.TopicPartition) (map[string][16]byte, error) {
	ids := map[string][16]byte{}
	var topics []string
	for _, t := range wire.ByTopic(tps) {
		topics = append(topics, t.Topic)
		ids[t.Topic] = [16]byte{}
	}
	if m.cfg.TopicIDs == nil {
		return ids, nil
	}
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	return m.cfg.TopicIDs(ctx, topics)
}

// namesOf maps ids to topics. It returns nil if a topic has no id: requests and responses then use
// names.
func namesOf(ids map[string][16]byte) map[[16]byte]string {
	names := make(map[[16]byte]string, len(ids))
	for topic, id := range ids {
		if id == ([16]byte{}) {
			return nil
		}
		names[id] = topic
	}
	return names
}
