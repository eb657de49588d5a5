package sqltest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

var oldTopic, newTopic = stream.TopicID{1}, stream.TopicID{2}

// of returns a transaction with a topic id.
func of(id stream.TopicID, tx stream.Txn[result]) stream.Txn[result] {
	for tp, r := range tx.Offsets {
		r.TopicID = id
		tx.Offsets[tp] = r
	}
	return tx
}

// assigned returns a transactor's position of partition 0 when it is assigned with a topic id.
func assigned(t *testing.T, tx stream.Transactor[result], id stream.TopicID) stream.Position {
	t.Helper()
	at, err := tx.Restore(t.Context(), map[stream.TopicPartition]stream.TopicID{place(0): id})
	if err != nil {
		t.Fatal(err)
	}
	return at[place(0)]
}

func commit(t *testing.T, tx stream.Transactor[result], what stream.Txn[result]) {
	t.Helper()
	if err := tx.Commit(t.Context(), what); err != nil {
		t.Error(err)
	}
}

func TestTopicID(t *testing.T) {
	each(t, func(t *testing.T, b *backend) {
		makeTable(t, b)
		b.exec(`DELETE FROM laneway_offsets`)
		worker := func() stream.Transactor[result] { return sink.SQL(b.open(), insert) }
		reset := func() { b.exec(`DELETE FROM laneway_offsets`); b.exec(`DELETE FROM results`) }

		t.Run("is stored with each offset", func(t *testing.T) {
			defer reset()
			tx := worker()
			commit(t, tx, of(oldTopic, txn(0, 0, 3)))
			if at := assigned(t, tx, oldTopic); at != (stream.Position{Offset: 3, TopicID: oldTopic}) {
				t.Errorf("restored %v", at)
			}
		})
		t.Run("of a recreated topic starts with a new row", func(t *testing.T) {
			defer reset()
			before, after := worker(), worker()
			commit(t, before, of(oldTopic, txn(0, 0, 30)))
			if at := assigned(t, after, newTopic); at.TopicID != oldTopic {
				t.Errorf("restored %v, want the position of the old topic", at)
			}
			b.exec(`DELETE FROM results`)
			commit(t, after, of(newTopic, txn(0, 0, 6)))
			commit(t, after, of(newTopic, txn(0, 6, 9)))
			if got := b.written(0); !slices.Equal(got, upTo(9)) {
				t.Errorf("written of the new topic: %v", got)
			}
			if at := assigned(t, after, newTopic); at != (stream.Position{Offset: 9, TopicID: newTopic}) {
				t.Errorf("restored %v", at)
			}
		})
		t.Run("fences a worker that still has the old topic", func(t *testing.T) {
			defer reset()
			before, after := worker(), worker()
			assigned(t, before, oldTopic)
			commit(t, before, of(oldTopic, txn(0, 0, 6)))
			assigned(t, after, newTopic)
			commit(t, after, of(newTopic, txn(0, 0, 6)))
			for _, from := range []int64{6, 0} { // also if the offset happens to be the same
				fencedFor(t, before.Commit(t.Context(), of(oldTopic, txn(0, from, 9))))
			}
			if at := assigned(t, after, newTopic); at != (stream.Position{Offset: 6, TopicID: newTopic}) {
				t.Errorf("restored %v", at)
			}
		})
		t.Run("is added to a row without one", func(t *testing.T) {
			defer reset()
			tx := worker()
			commit(t, tx, txn(0, 0, 3))
			if at := assigned(t, tx, newTopic); at != (stream.Position{Offset: 3}) {
				t.Errorf("restored %v", at)
			}
			commit(t, tx, of(newTopic, txn(0, 3, 6)))
			if at := assigned(t, tx, newTopic); at != (stream.Position{Offset: 6, TopicID: newTopic}) {
				t.Errorf("restored %v", at)
			}
			commit(t, tx, txn(0, 6, 9)) // a source without ids continues, and keeps the id
			if at := assigned(t, tx, newTopic); at != (stream.Position{Offset: 9, TopicID: newTopic}) {
				t.Errorf("restored %v", at)
			}
		})
	})
}

// The table has the schema from before topic ids, or from before states, and an offset.
func TestTableOfAnEarlierVersion(t *testing.T) {
	const id = `ALTER TABLE "laneway_offsets" ADD COLUMN topic_id TEXT NOT NULL DEFAULT ''`
	const state = `ALTER TABLE "laneway_offsets" ADD COLUMN state TEXT NOT NULL DEFAULT ''`
	t.Run("without topic ids", func(t *testing.T) { earlierTable(t, "", id+";\n"+state) })
	t.Run("without states", func(t *testing.T) { earlierTable(t, "topic_id TEXT NOT NULL DEFAULT '',", "\n"+state) })
}

func earlierTable(t *testing.T, column, alter string) {
	each(t, func(t *testing.T, b *backend) {
		b.exec(`CREATE TABLE laneway_offsets (pipeline TEXT NOT NULL, topic TEXT NOT NULL, partition_id BIGINT NOT NULL, next_offset BIGINT NOT NULL,
			consumer_group TEXT NOT NULL, owner TEXT NOT NULL, ` + column + ` PRIMARY KEY (pipeline, topic, partition_id))`)
		b.exec(`INSERT INTO laneway_offsets (pipeline, topic, partition_id, next_offset, consumer_group, owner) VALUES ('', 'orders', 0, 3, '', 'somebody')`)
		opener := func(opts ...sink.SQLOption) (stream.Transactor[result], error) {
			tx := sink.SQL(b.open(), insert, opts...)
			return tx, tx.(interface{ Open(context.Context) error }).Open(t.Context())
		}
		if _, err := opener(); err == nil || !strings.Contains(err.Error(), alter) {
			t.Errorf("without CreateTable: %v lacks %s", err, alter)
		}
		for range 2 { // the second one finds the column
			tx, err := opener(sink.CreateTable())
			if err != nil {
				t.Fatal(err)
			}
			if at := assigned(t, tx, newTopic); at != (stream.Position{Offset: 3}) {
				t.Errorf("restored %v", at)
			}
		}
		tx, err := opener()
		if err != nil {
			t.Fatal(err)
		}
		commit(t, tx, with("lw1:state", of(newTopic, txn(0, 3, 6))))
		if at := assigned(t, tx, newTopic); at != (stream.Position{Offset: 6, TopicID: newTopic, State: "lw1:state"}) {
			t.Errorf("restored %v", at)
		}
	})
}
