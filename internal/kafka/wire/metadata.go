package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is a topic's metadata.
type Topic struct {
	Name       string
	ID         [16]byte // zero if the brokers are too old for ids
	Err        error    // a Code: why the rest is empty, or as it was known before
	Partitions map[int32]Partition
}

// Partition is a partition's leader.
type Partition struct {
	Leader      int32 // -1: none
	LeaderEpoch int32 // -1: unknown
	Err         error // a Code: why it has none
}

// LeaderOf returns the leader of a partition, or -1 and the reason why it has none.
func (t Topic) LeaderOf(partition int) (int32, error) {
	p, ok := t.Partitions[int32(partition)]
	switch {
	case ok && p.Leader >= 0:
		return p.Leader, nil
	case t.Err != nil:
		return -1, t.Err
	case p.Err != nil:
		return -1, p.Err
	}
	return -1, LeaderNotAvailable
}

// Metadata asks the cluster for topics, and never creates one. Without topics it asks for the
// brokers alone. Broker, Fetch and Topic use the result from then on.
func (c *Client) Metadata(ctx context.Context, topics ...string) ([]Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(t)
		req.Topics = append(req.Topics, rt)
	}
	r, err := c.Any(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's metadata: %w", err)
	}
	resp := r.(*kmsg.MetadataResponse)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(resp)
	found := make([]Topic, 0, len(resp.Topics))
	for i := range resp.Topics {
		rt := &resp.Topics[i]
		if rt.Topic == nil {
			continue
		}
		t := topicOf(rt)
		t.keepNewer(c.topics[t.Name])
		found = append(found, t)
		if t.Err != nil { // what was known may still hold: that broker may lag behind
			old := c.topics[t.Name]
			t.ID, t.Partitions = old.ID, old.Partitions
		}
		c.topics[t.Name] = t
	}
	return found, nil
}

// Topic returns the topic's latest metadata; false if it was never asked for.
func (c *Client) Topic(name string) (Topic, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.topics[name]
	return t, ok
}

// Cluster returns the id of the cluster; empty: unknown.
func (c *Client) Cluster() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cluster
}

// learn stores the brokers. A broker that has moved needs new links; those to its old address fail
// or idle out.
func (c *Client) learn(resp *kmsg.MetadataResponse) {
	if resp.ClusterID != nil {
		c.cluster = *resp.ClusterID
	}
	if len(resp.Brokers) == 0 {
		return // a broker that is just starting knows no brokers
	}
	brokers := make(map[int32]Broker, len(resp.Brokers))
	for _, b := range resp.Brokers {
		n := Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			n.Rack = *b.Rack
		}
		brokers[b.NodeID] = n
	}
	c.brokers = brokers
}

func topicOf(rt *kmsg.MetadataResponseTopic) Topic {
	t := Topic{Name: *rt.Topic, ID: rt.TopicID, Err: Code(rt.ErrorCode).Err(), Partitions: make(map[int32]Partition, len(rt.Partitions))}
	for i := range rt.Partitions {
		p := &rt.Partitions[i]
		t.Partitions[p.Partition] = partitionOf(p)
	}
	return t
}

// partitionOf ignores the leader that an answer with an error names, except where only another
// replica is missing.
func partitionOf(p *kmsg.MetadataResponseTopicPartition) Partition {
	code := Code(p.ErrorCode)
	if code == None || code == ReplicaNotAvailable {
		return Partition{Leader: p.Leader, LeaderEpoch: p.LeaderEpoch}
	}
	return Partition{Leader: -1, LeaderEpoch: p.LeaderEpoch, Err: code}
}

// keepNewer keeps newer leader epochs. A broker that lags behind returns the previous leader, and
// following it would send the fetches back and forth. A recreated topic starts over.
func (t *Topic) keepNewer(old Topic) {
	if t.Err != nil || old.ID != t.ID || t.ID == ([16]byte{}) {
		return
	}
	for id, p := range t.Partitions {
		if o, ok := old.Partitions[id]; ok && o.LeaderEpoch > p.LeaderEpoch && o.Leader >= 0 {
			t.Partitions[id] = o
		}
	}
}
