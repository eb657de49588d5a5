package stream_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTopicID(t *testing.T) {
	id := stream.TopicID{0x5b, 0xef, 1, 2, 3}
	t.Run("reads what it has written", func(t *testing.T) {
		for _, id := range []stream.TopicID{id, {}} {
			text, err := json.Marshal(map[string]stream.TopicID{"id": id})
			got := map[string]stream.TopicID{"id": {1}}
			if err == nil {
				err = json.Unmarshal(text, &got)
			}
			if err != nil || got["id"] != id {
				t.Errorf("%s: %v, %v", text, got["id"], err)
			}
		}
	})
	t.Run("is written as Kafka's tools do", func(t *testing.T) {
		if s := id.String(); s != "W-8BAgMAAAAAAAAAAAAAAA" {
			t.Errorf("it is written %q", s)
		}
	})
	t.Run("refuses other text", func(t *testing.T) {
		for _, text := range []string{"orders", "W-8BAgMAAAAAAAAAAAAAAA==", "W+8BAgMAAAAAAAAAAAAAAA"} {
			if err := new(stream.TopicID).UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%q is taken for an id", text)
			}
		}
	})
}

func TestRecreatedTopic(t *testing.T) {
	t.Run("takes no offset of the old one in a drain, which does not wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "a1")
			release := w.hold("a1")
			j := join(t, l, input.GroupByPartition().Serial(w.do).CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			revoked, began := make(chan error), time.Now()
			go func() { revoked <- j.member.Revoke(0, 0) }()
			synctest.Wait()
			l.Recreate()
			release()
			must(t, <-revoked)
			if took := time.Since(began); took > time.Second {
				t.Errorf("the drain took %v", took)
			}
			var gone *stream.TopicGoneError
			if lost := heard[stream.Lost](j); len(lost) != 2 || !errors.As(lost[0].Err, &gone) {
				t.Errorf("lost: %v", lost)
			}
			if at := l.Committed(0); at != -1 {
				t.Errorf("%d is committed for the new topic", at)
			}
			must(t, j.stop())
		})
	})
	t.Run("is read from its beginning", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "a2")
			j := start(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(1, 0))
			synctest.Wait()
			old := l.ID()
			l.Recreate()
			put(l, 0, "b0", "b1")
			synctest.Wait()
			same(t, "of the new topic", w.doneOf("b"), []string{"b0", "b1"})
			if told := heard[stream.TopicRecreated](j); len(told) != 1 || told[0].Offset != 3 || told[0].Old != old || told[0].New != l.ID() {
				t.Errorf("told: %+v", told)
			}
			must(t, j.stop())
			j.committed(2)
		})
	})
	t.Run("does not continue at an offset of the old one that a transactor has stored", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a0", "a1", "a2")
			before := start(t, l, input.CommitWith(b, 1, 0))
			elapse(time.Second)
			must(t, before.stop())
			l.Recreate()
			put(l, 0, "b0", "b1")
			j := start(t, l, input.CommitWith(b, 1, 0))
			elapse(time.Second)
			same(t, "stored", b.stored(), []string{"a0", "a1", "a2", "b0", "b1"})
			if told := heard[stream.TopicRecreated](j); len(told) != 1 || told[0].Offset != 3 || told[0].New != l.ID() {
				t.Errorf("told: %+v", told)
			}
			must(t, j.stop())
		})
	})
	t.Run("releases only the partition whose topic the transactor finds gone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase()
			gone := &stream.TopicGoneError{Partitions: []tp{{Topic: "t", Partition: 0}}}
			b.refuse(gone)
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := start(t, l, input.CommitWith(b, 2, time.Second)) // without a policy: none is asked
			elapse(10 * time.Second)
			sameSet(t, "stored", b.stored(), []string{"a0", "b0"})
			if lost := heard[stream.Lost](j); len(lost) != 1 || lost[0].Partition != 0 || !errors.Is(lost[0].Err, gone) {
				t.Errorf("lost: %v", lost)
			}
			must(t, j.stop())
		})
	})
}
