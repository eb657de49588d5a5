package sqltest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// The offset in the database is moved, as by another owner or an operator, while a worker has the
// partition and the group has another offset.
func TestGroupFollowsDatabase(t *testing.T) {
	followsDatabase(t, kafkatest.Fake(t).ListenAddrs())
}

func TestGroupFollowsDatabaseRealKafka(t *testing.T) {
	followsDatabase(t, kafkatest.Real(t))
}

func followsDatabase(t *testing.T, brokers []string) {
	g, b := newGroup(t, brokers, 1), newSQLite(t)
	g.produce(0, 6)
	makeTable(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lost := make(chan error, 100)
	w := g.start(ctx, g.results().CommitWith(sink.SQL(b.open(), insert), 100, 10*time.Millisecond), func(e stream.Event) {
		if l, ok := e.(stream.Lost); ok {
			lost <- l.Err
		}
	})
	w.await(6)
	b.exec(`DELETE FROM results`)
	b.exec(`UPDATE laneway_offsets SET next_offset = 2`)
	g.produce(0, 1)
	w.await(7)
	if got, want := b.written(0), []int64{2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("rewritten %v, want %v", got, want)
	}
	var fenced *stream.FencedError
	if err := <-lost; !errors.As(err, &fenced) {
		t.Errorf("the partition was lost for another reason: %v", err)
	}
	g.WaitCommitted(g.name, g.topic, map[int32]int64{0: 7}) // for tools that show the lag
	w.stop()
}

// The topic is recreated, while the worker is down or while it runs. The stored offset of the old
// topic must be ignored.
func TestRecreatedTopic(t *testing.T) {
	recreatedTopic(t, kafkatest.Fake(t).ListenAddrs())
}

func TestRecreatedTopicRealKafka(t *testing.T) {
	recreatedTopic(t, kafkatest.Real(t))
}

func recreatedTopic(t *testing.T, brokers []string) {
	for name, running := range map[string]bool{"while the worker is down": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			g, b := newGroup(t, brokers, 1), newSQLite(t)
			makeTable(t, b)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			recreated := make(chan stream.TopicRecreated, 10)
			start := func() *worker {
				return g.start(ctx, g.results().CommitWith(sink.SQL(b.open(), insert), 5, 10*time.Millisecond), func(e stream.Event) {
					if r, ok := e.(stream.TopicRecreated); ok {
						recreated <- r
					}
				})
			}
			g.produce(0, 10)
			w := start()
			w.await(10)
			if !running {
				w.stop()
			}
			b.exec(`DELETE FROM results`)
			g.Recreate(g.topic, 1)
			g.produce(0, 30)
			if !running {
				w = start()
			}
			w.await(30)
			w.stop()
			var want []int64
			for n := range int64(30) {
				want = append(want, n)
			}
			if got := b.written(0); !slices.Equal(got, want) {
				t.Errorf("written of the new topic: %v", got)
			}
			if e := <-recreated; e.Offset != 10 || e.Topic != g.topic || e.Old == e.New {
				t.Errorf("event: %+v", e)
			}
		})
	}
}
