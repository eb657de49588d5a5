package demo

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

func at(partition int, offset int64, key string) kafka.Message {
	return kafka.Message{Topic: "t", Partition: partition, Offset: offset, Key: []byte(key)}
}

func TestRecorder(t *testing.T) {
	t.Run("sees records out of order", func(t *testing.T) {
		var rec Recorder
		var ok error
		endA0 := rec.Record(at(0, 0, "a"))
		endB1 := rec.Record(at(0, 1, "b"))
		endA2 := rec.Record(at(0, 2, "a")) // a's first record has not ended
		endA0(&ok)
		endA2(&ok)
		endB1(&ok)
		rec.Record(at(0, 4, "a"))(&ok)
		rec.Record(at(0, 3, "a"))(&ok) // after a later one
		if got := rec.OutOfOrder(ByKey); !slices.Equal(got, []string{"t[0]@2", "t[0]@3"}) {
			t.Errorf("out of order by key: %v", got)
		}
		if got := rec.OutOfOrder(ByPartition); !slices.Equal(got, []string{"t[0]@1", "t[0]@2", "t[0]@3"}) {
			t.Errorf("out of order by partition: %v", got)
		}
		if most := rec.Peak(ByPlace); most != 3 {
			t.Errorf("%d at a time, want 3", most)
		}
		if most := rec.Peak(ByPartition); most != 1 {
			t.Errorf("%d partitions at a time, want 1", most)
		}
	})
	t.Run("counts handled records", func(t *testing.T) {
		var rec Recorder
		var ok error
		bad := errors.New("bad")
		rec.Record(at(0, 0, ""))(&bad)
		rec.Record(at(0, 0, ""))(&ok)
		rec.Record(at(1, 0, ""))(&ok)
		rec.Record(at(1, 0, ""))(&ok)
		rec.Record(at(1, 1, ""))(&bad)
		if rec.Handled() != 2 || rec.Twice() != 1 || rec.Failed() != 2 {
			t.Errorf("handled %d, twice %d, failed %d; want 2, 1, 2", rec.Handled(), rec.Twice(), rec.Failed())
		}
	})
}

func TestCheck(t *testing.T) {
	t.Run("fails for a broken promise", func(t *testing.T) {
		var out strings.Builder
		err := Program{Name: "broken", Partitions: 1, Run: func(_ context.Context, d *Demo) error {
			d.Check("order", true, "kept")
			d.Check("speed", false, "%d at a time", 1)
			return nil
		}}.Demonstrate(t.Context(), &out, nil, false, "")
		if err == nil || !strings.HasSuffix(err.Error(), "do not hold: speed") {
			t.Errorf("returned %v", err)
		}
		for _, line := range []string{"  ok     order  kept\n", "  WRONG  speed  1 at a time\n"} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%q is not in:\n%s", line, &out)
			}
		}
	})
}
