package group

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/sourcegraph/conc"
)

// adopt applies a new assignment: it starts the added partitions and releases the removed ones
// concurrently, and leaves the rest alone. again asks for an immediate rejoin: after a release, so
// that the group can reassign the released partitions (KIP-429), or because the assignment is for
// an older subscription.
func (m *Member) adopt(ctx context.Context, t *term, assigned []wire.TopicPartition) (again bool, err error) {
	stale := t.replaced && m.outdated(ctx, assigned)
	added, gone, foreign := m.compare(t, assigned)
	m.during(ctx, func(context.Context) {
		var both conc.WaitGroup
		// closed after a release: the next join must not wait then
		released := make(chan struct{})
		both.Go(func() { err = m.begin(ctx, t, added, released) })
		both.Go(func() {
			if m.release(gone); len(gone) > 0 {
				close(released)
			}
		})
		both.Wait()
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = holding{tps: slices.Collect(maps.Keys(m.parts)), generation: t.generation}
	m.force = stale || foreign
	return m.force || len(gone) > 0, err
}

// compare marks the added partitions and finds the removed ones. It ignores foreign partitions, of
// topics that this member does not subscribe to.
func (m *Member) compare(t *term, assigned []wire.TopicPartition) (added, gone []wire.TopicPartition, foreign bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.err != nil {
		return nil, nil, false
	}
	want := make(map[wire.TopicPartition]bool, len(assigned))
	for _, tp := range assigned {
		if !slices.Contains(m.cfg.Topics, tp.Topic) {
			foreign = true
			continue
		}
		want[tp] = true
		if _, have := m.parts[tp]; !have {
			m.parts[tp] = assigning
			added = append(added, tp)
		}
	}
	for tp := range m.parts {
		if !want[tp] {
			gone = append(gone, tp)
		}
	}
	return added, gone, foreign
}

// begin starts partitions at their committed offsets, each as soon as its offset is known. It does
// not keep partitions that it cannot start because the term is over or other members wait for the
// next join.
func (m *Member) begin(ctx context.Context, t *term, added []wire.TopicPartition, released <-chan struct{}) error {
	if len(added) == 0 {
		return nil
	}
	m.mu.Lock()
	alive := m.alive
	m.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	err := m.committed(ctx, t, added, released, func(offsets map[wire.TopicPartition]Position) error {
		if err := m.cfg.OnAssigned(ctx, offsets); err != nil {
			return fmt.Errorf("group %s: partitions could not be started: %w", m.cfg.Group, err)
		}
		m.started(t, slices.Collect(maps.Keys(offsets)))
		return nil
	})
	m.mu.Lock()
	for _, tp := range added {
		if m.parts[tp] == assigning {
			delete(m.parts, tp)
		}
	}
	m.mu.Unlock()
	if ctx.Err() != nil {
		return nil // Run or the membership has ended, which explains any error
	}
	return err
}

// started marks partitions as held, or gives them up if the term was lost in the meantime.
func (m *Member) started(t *term, tps []wire.TopicPartition) {
	m.mu.Lock()
	lost := t.err
	for _, tp := range tps {
		if lost != nil {
			delete(m.parts, tp)
		} else {
			m.parts[tp] = held
		}
	}
	m.mu.Unlock()
	if lost != nil {
		m.cfg.OnLost(lost, tps)
	}
}

// release revokes the partitions in tps that are still held. OnRevoked drains and commits them
// within the time that the group waits.
func (m *Member) release(tps []wire.TopicPartition) {
	m.mu.Lock()
	var leaving []wire.TopicPartition
	for _, tp := range tps {
		if at, have := m.parts[tp]; have && at == held {
			m.parts[tp] = revoking
			leaving = append(leaving, tp)
		}
	}
	ctx := m.alive
	m.mu.Unlock()
	if len(leaving) == 0 {
		return
	}
	slices.SortFunc(leaving, wire.TopicPartition.Compare)
	m.event("revoking", fmt.Sprintf("%d partitions, within %v", len(leaving), m.cfg.drainTime()), nil)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.drainTime())
	defer cancel()
	m.cfg.OnRevoked(ctx, leaving)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tp := range leaving {
		delete(m.parts, tp)
	}
}
