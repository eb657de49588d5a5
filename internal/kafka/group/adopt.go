package group

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sourcegraph/conc"
)

// adopt makes this member's partitions those of a new assignment: what is new is started and what
// is gone released, at the same time and without touching the rest. It tells whether to join again
// at once: after a release, so that the group can give the released partitions away (KIP-429), or
// because the assignment is that of an older subscription.
func (m *Member) adopt(ctx context.Context, t *term, assigned []TP) (again bool, err error) {
	stale := t.replaced && m.outdated(ctx, assigned)
	added, gone, foreign := m.compare(t, assigned)
	m.during(ctx, func(context.Context) {
		var both conc.WaitGroup
		// closed when something was: then the next join is not to wait
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

// compare notes what is added and finds what is gone. Partitions of topics that this member does
// not subscribe to are foreign: they are left.
func (m *Member) compare(t *term, assigned []TP) (added, gone []TP, foreign bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.err != nil {
		return nil, nil, false
	}
	want := make(map[TP]bool, len(assigned))
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

// begin starts partitions from what is committed for them, each as soon as that is known. What it
// cannot start, because the term is over or others wait for the next join, is not held.
func (m *Member) begin(ctx context.Context, t *term, added []TP, released <-chan struct{}) error {
	if len(added) == 0 {
		return nil
	}
	m.mu.Lock()
	alive := m.alive
	m.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	err := m.committed(ctx, t, added, released, func(offsets map[TP]Position) error {
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
		return nil // ended or lost: that is why it failed, if it did
	}
	return err
}

// started notes that partitions were started, or gives them up where the term was lost meanwhile.
func (m *Member) started(t *term, tps []TP) {
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

// release revokes what of tps is held still: OnRevoked drains and commits it, within the time that
// the group waits.
func (m *Member) release(tps []TP) {
	m.mu.Lock()
	var going []TP
	for _, tp := range tps {
		if at, have := m.parts[tp]; have && at == held {
			m.parts[tp] = revoking
			going = append(going, tp)
		}
	}
	ctx := m.alive
	m.mu.Unlock()
	if len(going) == 0 {
		return
	}
	slices.SortFunc(going, compareTP)
	m.event("revoking", fmt.Sprintf("%d partitions, within %v", len(going), m.cfg.drainTime()), nil)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.drainTime())
	defer cancel()
	m.cfg.OnRevoked(ctx, going)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tp := range going {
		delete(m.parts, tp)
	}
}
