package group

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// lose handles a term that the coordinator, or the clock, has ended already. All its partitions may
// belong to others, so it calls OnLost once, and nothing of them is committed any more. It does
// nothing for a term that is no longer current. Partitions still in OnAssigned are reported lost
// when that returns (begin).
func (m *Member) lose(t *term, err error) {
	m.mu.Lock()
	if t == nil || t != m.term || t.err != nil {
		m.mu.Unlock()
		return
	}
	t.err = &LostError{Group: m.cfg.Group, Err: err}
	var gone []wire.TopicPartition
	for tp, at := range m.parts {
		if at != assigning {
			gone = append(gone, tp)
			delete(m.parts, tp)
		}
	}
	kill := m.kill
	m.alive, m.kill = context.WithCancel(context.Background())
	m.mu.Unlock()

	m.dropID(err)
	m.cfg.OnHealth(t.err)
	m.event("lost", "this member has lost its membership in the group", t.err)
	if len(gone) > 0 {
		m.cfg.OnLost(t.err, gone)
	}
	kill()
	close(t.lost)
}

// dropID drops a member id that the coordinator does not know, since it would refuse that id again.
func (m *Member) dropID(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		m.id = ""
	}
}

// fatalLoss returns the refusal that ended the term, if one did.
func (m *Member) fatalLoss(t *term) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if refused, ok := errors.AsType[*kafkaerr.GroupError](t.err); ok {
		return refused
	}
	return nil
}
