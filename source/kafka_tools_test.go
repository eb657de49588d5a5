package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// Kafka's own tool shows and resets the offset of a group that has finished records above it. After
// a reset they are read again.
func TestKafkaConsumerGroupsRealKafka(t *testing.T) {
	l := newStateLog(t, kafkatest.Real(t))
	l.Append(10)
	if got := l.handled(t, 10, 2); !slices.Equal(got, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Fatalf("handled %d", got)
	}
	l.WaitMembers(l.group, 0)
	told := kafkatest.ConsumerGroups(t, "--describe", "--group", l.group)
	if want := []string{l.group, l.topic, "0", "2", "10", "8"}; !slices.ContainsFunc(strings.Split(told, "\n"), func(line string) bool {
		fields := strings.Fields(line)
		return len(fields) > len(want) && slices.Equal(fields[:len(want)], want)
	}) {
		t.Errorf("no line has %v:\n%s", want, told)
	}
	if got := l.handled(t, 1, -1); !slices.Equal(got, []int64{2}) {
		t.Errorf("before the reset, the next worker handled %d", got)
	}
	l.WaitCommitted(l.group, l.topic, map[int32]int64{0: 10})
	l.WaitMembers(l.group, 0)
	kafkatest.ConsumerGroups(t, "--reset-offsets", "--to-offset", "7", "--topic", l.topic, "--group", l.group, "--execute")
	if got := l.handled(t, 3, -1); !slices.Equal(got, []int64{7, 8, 9}) {
		t.Errorf("after the reset to 7, the next worker handled %d", got)
	}
}

// handled runs a worker until it has handled n records. It parks one of them.
func (l *stateLog) handled(t *testing.T, n int, park int64) (offsets []int64) {
	t.Helper()
	var mu sync.Mutex // guards offsets
	all := make(chan struct{})
	p, err := stream.From(func() stream.Source[kafka.Message] { return newKafkaSource(l.config()) }).
		Ungroup().
		Concurrent(4, func(_ context.Context, m kafka.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if offsets = append(offsets, m.Offset); len(offsets) == n {
				close(all)
			}
			if m.Offset == park {
				return errors.New("parked")
			}
			return nil
		}).
		ParkOnError().
		CommitEvery(1000, 20*time.Millisecond).
		Build(stream.BuildID(fmt.Sprint(t.Name(), park))) // a new build tries what was parked again
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t, p)
	receive(t, all, "the records")
	stop()
	slices.Sort(offsets)
	return offsets
}
