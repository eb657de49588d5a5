package wire

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestCommitByTopicID(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"checked by the broker": nil, "checked by metadata": {kfake.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			k := cluster(t, append(opts, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))...)
			c := client(t, Config{Brokers: k.ListenAddrs()})
			id := func() [16]byte {
				topics, err := c.Metadata(within(t, 10*time.Second), "orders")
				if err != nil {
					t.Fatal(err)
				}
				return topics[0].ID
			}
			old := id()
			answers(t, c, commitOf(old, 0, 5), map[string]Code{"0": None})
			if err := k.DeleteTopic("orders"); err != nil {
				t.Fatal(err)
			}
			answers(t, c, commitOf(old, 0, 6), map[string]Code{"0": UnknownTopicID})
			if err := k.CreateTopic("orders", 2, nil); err != nil {
				t.Fatal(err)
			}
			both := commitOf(old, 0, 7)
			// after a recreation, some partitions may still be of the old topic
			both.Topics = append(both.Topics, commitOf(id(), 1, 8).Topics...)
			answers(t, c, both, map[string]Code{"0": UnknownTopicID, "1": None})
			if at := k.GroupInfo("g").Commits["orders"]; at[0].Offset > 5 || at[1].Offset != 8 {
				t.Errorf("stored %v", at)
			}
		})
	}
}

// A transaction is all or nothing: one offset of a topic that is gone keeps it from being sent.
func TestTransactionCommitByTopicID(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"), kfake.MaxVersions(kversion.V3_6_0()))
	c := client(t, Config{Brokers: k.ListenAddrs()})
	topics, err := c.Metadata(within(t, 10*time.Second), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic("orders", 2, nil); err != nil {
		t.Fatal(err)
	}
	sent := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Observe: true, Count: -1})
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Group, req.TransactionalID = "g", "copy-1"
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = "orders", topics[0].ID
	topic.Partitions = append(topic.Partitions, kmsg.NewTxnOffsetCommitRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	resp, err := c.TransactionOffsets(within(t, 10*time.Second), "g", req, math.MaxInt16)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Topics) != 1 || Code(resp.Topics[0].Partitions[0].ErrorCode) != UnknownTopicID || sent.Hits() > 0 {
		t.Errorf("answer %+v to %d requests", resp, sent.Hits())
	}
}

func TestOffsetNote(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.MaxVersions(kversion.V3_6_0()))
	c := client(t, Config{Brokers: k.ListenAddrs()})
	topics, err := c.Metadata(within(t, 10*time.Second), "orders")
	if err != nil {
		t.Fatal(err)
	}
	id := topics[0].ID
	answers(t, c, commitOf(id, 0, 5), map[string]Code{"0": None})
	if stored := k.GroupInfo("g").Commits["orders"][0]; noteOf(&stored.Metadata) != id {
		t.Errorf("stored %+v", stored)
	}
	t.Run("is left out if brokers refuse it", func(t *testing.T) {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge})
		for next := range int64(2) {
			answers(t, c, commitOf(id, 0, 6+next), map[string]Code{"0": None})
			if stored := k.GroupInfo("g").Commits["orders"][0]; stored.Offset != 6+next || stored.Metadata != "" {
				t.Errorf("stored %+v", stored)
			}
		}
	})
	t.Run("is distinct from other metadata", func(t *testing.T) {
		for _, other := range []string{"", "laneway topic ", "laneway topic AAAA", "laneway topic !!!!!!!!!!!!!!!!!!!!!!", "NO_METADATA"} {
			if got, state := ReadNote(&other); got != [16]byte{} || state != other {
				t.Errorf("%q was read as %x and %q", other, got, state)
			}
		}
		if noteOf(nil) != [16]byte{} || noteOf(note(id)) != id {
			t.Error("a note was not read as written")
		}
	})
}

func noteOf(metadata *string) [16]byte {
	id, _ := ReadNote(metadata)
	return id
}

// A state is stored and read with its offset, whether brokers use topic ids or notes.
func TestOffsetState(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"by id": nil, "by name": {kfake.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			k := cluster(t, append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))...)
			c := client(t, Config{Brokers: k.ListenAddrs()})
			topics, err := c.Metadata(within(t, 10*time.Second), "orders")
			if err != nil {
				t.Fatal(err)
			}
			commit := func(state string) *kmsg.OffsetCommitRequest {
				req := commitOf(topics[0].ID, 0, 5)
				req.Topics[0].Partitions[0].Metadata = &state
				return req
			}
			kept := func(want string) {
				t.Helper()
				stored := k.GroupInfo("g").Commits["orders"][0]
				id, state := ReadNote(&stored.Metadata)
				if state != want || name == "by name" && id != topics[0].ID || len(stored.Metadata) > 4096 {
					t.Errorf("stored %+v", stored)
				}
			}
			long := strings.Repeat("x", StateBytes)
			again := commit(long)
			for range 2 { // a retried request gets no second note
				answers(t, c, again, map[string]Code{"0": None})
				kept(long)
			}
			// A refused state is reported, and does not affect the topic's note.
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge})
			answers(t, c, commit(long), map[string]Code{"0": OffsetMetadataTooLarge})
			answers(t, c, commit("short"), map[string]Code{"0": None})
			kept("short")
		})
	}
}

// commitOf returns a commit of one offset of a partition of orders, with a topic id.
func commitOf(id [16]byte, partition int32, offset int64) *kmsg.OffsetCommitRequest {
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = partition, offset
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = "orders", id, append(topic.Partitions, p)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.Topics = "g", -1, append(req.Topics, topic)
	return req
}

func answers(t *testing.T, c *Client, req *kmsg.OffsetCommitRequest, want map[string]Code) {
	t.Helper()
	resp, err := c.Commit(within(t, 10*time.Second), "g", req)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Code{}
	for _, rt := range resp.(*kmsg.OffsetCommitResponse).Topics {
		for _, rp := range rt.Partitions {
			got[fmt.Sprint(rp.Partition)] = Code(rp.ErrorCode)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got codes %v, want %v", got, want)
	}
}
