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

func TestTapeSeesWhatIsOutOfOrder(t *testing.T) {
	var tape Tape
	var ok error
	endA0 := tape.Take(at(0, 0, "a"))
	endB1 := tape.Take(at(0, 1, "b"))
	endA2 := tape.Take(at(0, 2, "a")) // a's first has not ended
	endA0(&ok)
	endA2(&ok)
	endB1(&ok)
	tape.Take(at(0, 4, "a"))(&ok)
	tape.Take(at(0, 3, "a"))(&ok) // behind a later one
	if got := tape.OutOfOrder(ByKey); !slices.Equal(got, []string{"t[0]@2", "t[0]@3"}) {
		t.Errorf("out of order by key: %v", got)
	}
	if got := tape.OutOfOrder(ByPartition); !slices.Equal(got, []string{"t[0]@1", "t[0]@2", "t[0]@3"}) {
		t.Errorf("out of order by partition: %v", got)
	}
	if most := tape.Peak(ByPlace); most != 3 {
		t.Errorf("%d at a time, want 3", most)
	}
	if most := tape.Peak(ByPartition); most != 1 {
		t.Errorf("%d partitions at a time, want 1", most)
	}
}

func TestTapeCountsWhatWasHandled(t *testing.T) {
	var tape Tape
	var ok error
	bad := errors.New("bad")
	tape.Take(at(0, 0, ""))(&bad)
	tape.Take(at(0, 0, ""))(&ok)
	tape.Take(at(1, 0, ""))(&ok)
	tape.Take(at(1, 0, ""))(&ok)
	tape.Take(at(1, 1, ""))(&bad)
	if tape.Handled() != 2 || tape.Twice() != 1 || tape.Failed() != 2 {
		t.Errorf("handled %d, twice %d, failed %d; want 2, 1, 2", tape.Handled(), tape.Twice(), tape.Failed())
	}
}

func TestAPromiseThatDoesNotHoldIsAnError(t *testing.T) {
	var out strings.Builder
	err := Program{Name: "broken", Partitions: 1, Run: func(_ context.Context, d *Demo) error {
		d.Check("order", true, "kept")
		d.Check("speed", false, "%d at a time", 1)
		return nil
	}}.Demonstrate(t.Context(), &out, nil, false, "")
	if err == nil || !strings.HasSuffix(err.Error(), "does not hold: speed") {
		t.Errorf("it returned %v", err)
	}
	for _, line := range []string{"  ok     order  kept\n", "  WRONG  speed  1 at a time\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, &out)
		}
	}
}
