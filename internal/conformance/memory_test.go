package conformance_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/conformance"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestStreamtestLog(t *testing.T) {
	conformance.Run(t, conformance.Backend{Gaps: true, FailCommits: true, Rereads: true, Open: func(t *testing.T, partitions int) conformance.Log {
		l := &memory{t: t, Log: streamtest.Kafka("orders", partitions), partitions: partitions}
		t.Cleanup(l.moves.Wait)
		return l
	}})
}

// memory is a group over the in-memory log, which assigns partitions like a cooperative group.
type memory struct {
	t *testing.T
	*streamtest.Log[kafka.Message]
	partitions int
	moves      conc.WaitGroup

	mu      sync.Mutex // guards the fields below; one rebalance at a time
	members []*memoryMember

	failing sync.Mutex // guards left
	left    int        // number of commits to refuse
}

type memoryMember struct {
	*streamtest.Member[kafka.Message]
	log *memory
	has []int
}

func (l *memory) Append(partition int, key string, values ...string) {
	for _, v := range values {
		l.Log.Append(partition, key, kafka.Message{Value: []byte(v)})
	}
}

func (l *memory) Gap(partition int, n int) { l.AppendGap(partition, int64(n)) }

func (l *memory) FailCommits(n int) {
	l.failing.Lock()
	defer l.failing.Unlock()
	l.left = n
}

func (l *memory) commit(map[stream.TopicPartition]int64) error {
	l.failing.Lock()
	defer l.failing.Unlock()
	if l.left > 0 {
		l.left--
		return errors.New("the log is unavailable")
	}
	return nil
}

func (l *memory) Member() conformance.Member {
	m := &memoryMember{Member: l.Log.Member(), log: l}
	m.FailCommits(l.commit)
	return m
}

func (m *memoryMember) Source(name string) (stream.Stream[kafka.Message], []stream.Option) {
	return stream.From[kafka.Message](nil), []stream.Option{m.SourceOf(name)}
}

func (m *memoryMember) Join() {
	m.log.moves.Go(func() {
		m.log.mu.Lock()
		defer m.log.mu.Unlock()
		m.log.members = append(m.log.members, m)
		m.log.rebalance()
	})
}

func (m *memoryMember) Left() {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.log.members = slices.DeleteFunc(m.log.members, func(o *memoryMember) bool { return m == o })
	m.log.rebalance()
}

// rebalance moves as few partitions as possible: a member with too many releases its last ones. The
// caller holds mu.
func (l *memory) rebalance() {
	if len(l.members) == 0 {
		return
	}
	share := l.partitions / len(l.members) // the suite's counts divide evenly
	free := map[int]bool{}
	for p := range l.partitions {
		free[p] = true
	}
	for _, m := range l.members {
		keep := min(len(m.has), share)
		if extra := m.has[keep:]; len(extra) > 0 && m.Revoke(0, extra...) != nil {
			return // it has ended, and its Left follows
		}
		m.has = m.has[:keep:keep]
		for _, p := range m.has {
			delete(free, p)
		}
	}
	for _, m := range l.members {
		for p := range l.partitions {
			if free[p] && len(m.has) < share {
				delete(free, p)
				if m.Assign(p) != nil {
					return
				}
				m.has = append(m.has, p)
			}
		}
	}
}
