package group

import "context"

// Position is an offset of a group, and what is stored with it.
type Position struct {
	Offset  int64    // to go on from; -1: none is committed
	TopicID [16]byte // of the topic that it is of; zero: not known
	State   string   // the rest of its metadata; empty: none
	// of the leader that took the newest record before Offset, or that State speaks of; -1: not
	// known, so nobody takes it for a truncation
	LeaderEpoch int32
	// the topic's that it was committed for, where that is known: if it is another's, the offset
	// says nothing
	StoredFor [16]byte
}

// ids are the topics' of tps that exist. Without a Config.TopicIDs they are all there, and have
// none.
func (m *Member) ids(ctx context.Context, tps []TP) (map[string][16]byte, error) {
	ids := map[string][16]byte{}
	var topics []string
	for _, t := range byTopic(tps) {
		topics = append(topics, t.topic)
		ids[t.topic] = [16]byte{}
	}
	if m.cfg.TopicIDs == nil {
		return ids, nil
	}
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	return m.cfg.TopicIDs(ctx, topics)
}

// namesOf finds the topics of ids. It is nil where some have none: requests and answers go by name
// then.
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
