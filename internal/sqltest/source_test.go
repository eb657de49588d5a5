package sqltest

import (
	"errors"
	"testing"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

func TestSources(t *testing.T) {
	id := stream.TopicID{1}
	of := func(source string) stream.TopicPartition { tp := place(0); tp.Source = source; return tp }
	commit := func(t *testing.T, tx stream.Transactor[result], source string, from, next int64) {
		t.Helper()
		err := tx.Commit(t.Context(), stream.Txn[result]{Offsets: map[stream.TopicPartition]stream.OffsetRange{of(source): {From: from, Next: next, TopicID: id}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	restore := func(t *testing.T, tx stream.Transactor[result], source string) (int64, error) {
		t.Helper()
		at, err := tx.Restore(t.Context(), map[stream.TopicPartition]stream.TopicID{of(source): id})
		return at[of(source)].Offset, err
	}
	t.Run("have offsets of their own, of one topic too", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable(), sink.ForPipeline("billing")))
			commit(t, tx, "eu", 0, 3)
			if at, err := restore(t, tx, "us"); at != 0 || err != nil {
				t.Errorf("us starts at %d: %v", at, err)
			}
			commit(t, tx, "us", 0, 5)
			for source, want := range map[string]int64{"eu": 3, "us": 5} {
				if at, err := restore(t, tx, source); at != want || err != nil {
					t.Errorf("%s continues at %d, want %d: %v", source, at, want, err)
				}
			}
		})
	})
	t.Run("are refused under a name that was given later, until the rows are renamed", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			commit(t, tx, "", 0, 3)
			_, err := restore(t, tx, "eu")
			if !stream.IsPermanent(err) || errors.Is(err, errBroken) {
				t.Fatalf("want a permanent refusal, got %v", err)
			}
			if _, err := b.db.ExecContext(t.Context(), `UPDATE laneway_offsets SET pipeline = '/eu' WHERE pipeline = ''`); err != nil {
				t.Fatal(err)
			}
			if at, err := restore(t, tx, "eu"); at != 3 || err != nil {
				t.Errorf("continues at %d: %v", at, err)
			}
			if _, err := restore(t, tx, ""); !stream.IsPermanent(err) {
				t.Errorf("the name was taken away, and nobody says so: %v", err)
			}
		})
	})
	t.Run("start anew under a name that was given later if the topic was recreated too", func(t *testing.T) {
		each(t, func(t *testing.T, b *backend) {
			tx := open(t, sink.SQL(b.db, insert, sink.CreateTable()))
			commit(t, tx, "", 0, 3)
			at, err := tx.Restore(t.Context(), map[stream.TopicPartition]stream.TopicID{of("eu"): {2}})
			if len(at) > 0 || err != nil {
				t.Errorf("restored %v: %v", at, err)
			}
		})
	})
}
