package group

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// lose ends a term that the coordinator, or the clock, has ended already: everything it held is
// another's, so OnLost is told, once, and nothing of it is committed any more. A term that is no
// longer the current one has nothing to lose. What OnAssigned is still being told of follows when
// that returns (begin).
func (m *Member) lose(t *term, err error) {
	m.mu.Lock()
	if t == nil || t != m.term || t.err != nil {
		m.mu.Unlock()
		return
	}
	t.err = &LostError{Group: m.cfg.Group, Err: err}
	var gone []TP
	for tp, at := range m.parts {
		if at != assigning {
			gone = append(gone, tp)
			delete(m.parts, tp)
		}
	}
	kill := m.kill
	m.alive, m.kill = context.WithCancel(context.Background())
	m.mu.Unlock()

	m.forget(err)
	m.cfg.OnHealth(t.err)
	m.event("lost", "this member has lost its place in the group", t.err)
	if len(gone) > 0 {
		m.cfg.OnLost(t.err, gone)
	}
	kill()
	close(t.lost)
}

// forget drops a member id that the coordinator does not know: asking again with it would be
// answered the same.
func (m *Member) forget(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		m.id = ""
	}
}

// fatalLoss is the refusal that ended the term, if that is how it ended.
func (m *Member) fatalLoss(t *term) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refused *kafkaerr.GroupError
	if errors.As(t.err, &refused) {
		return refused
	}
	return nil
}
