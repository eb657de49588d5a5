package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Errors of a Member.
var (
	ErrCrashed = errors.New("streamtest: the member has crashed")
	ErrEnded   = errors.New("streamtest: the member's pipeline no longer runs")

	errRestarted = errors.New("streamtest: the pipeline restarts the partition")
)

// Member is one process of the group that reads a log: the source of one pipeline. The test decides
// what it is assigned.
type Member[T any] struct {
	log  *Log[T]
	auto bool
	wake chan struct{}          // buffer of 1; never closed
	cmds chan func(*session[T]) // received by Run; never closed
	ends chan struct{}          // closed when Run returns
	mu   sync.Mutex             // guards the fields below
	down bool                   // crashed: commits are refused
	// it will crash, and does not end with its log
	doomed bool
	// assignment number of each partition that is not lost, and not completely revoked
	owned  map[int]int
	given  int           // assignments so far
	epochs map[int]int32 // the newest epoch of each partition that its state may describe
	states int           // largest state in bytes to store
	fail   func(map[stream.TopicPartition]int64) error
	once   sync.Once
}

// Source returns the option that runs a chain on the log as its only member. It is assigned every
// partition from the start, at the committed offsets.
func (l *Log[T]) Source() stream.Option {
	return l.SourceOf("")
}

// SourceOf is Source for the source of a Merge that has the name: see stream.Stream.As.
func (l *Log[T]) SourceOf(name string) stream.Option {
	m := l.Member()
	m.auto = true
	return m.SourceOf(name)
}

// Member returns a member without partitions.
func (l *Log[T]) Member() *Member[T] {
	return &Member[T]{log: l, wake: make(chan struct{}, 1), cmds: make(chan func(*session[T])), ends: make(chan struct{}),
		owned: map[int]int{}, epochs: map[int]int32{}, states: stateBytes}
}

// Source returns the option that makes the member a chain's source. A member serves one Run.
func (m *Member[T]) Source() stream.Option {
	return m.SourceOf("")
}

// SourceOf is Source for the source of a Merge that has the name: see stream.Stream.As.
func (m *Member[T]) SourceOf(name string) stream.Option {
	return stream.ReplaceSourceOf(name, func() stream.Source[T] { return m })
}

// Assign assigns partitions to the member, each at the group's committed offset. It waits until the
// member's pipeline runs.
func (m *Member[T]) Assign(partitions ...int) error {
	return m.do(func(s *session[T]) error { return s.assign(partitions, 0) })
}

// Revoke revokes partitions and waits until the member has drained and committed them, for at most
// within (0: bounded by DrainTimeout alone).
func (m *Member[T]) Revoke(within time.Duration, partitions ...int) error {
	var done chan struct{}
	err := m.do(func(s *session[T]) error {
		done = s.revoke(within, partitions)
		return nil
	})
	if err == nil {
		<-done
	}
	return err
}

// Lose takes partitions away without warning, as a group does with a member that it has removed.
func (m *Member[T]) Lose(partitions ...int) error {
	return m.do(func(s *session[T]) error {
		s.lose(errors.New("the group has removed the member"), partitions)
		return nil
	})
}

// Halt halts a partition, as a source does after a batch that it cannot read.
func (m *Member[T]) Halt(partition int, offset, next int64, err error) error {
	return m.do(func(s *session[T]) error {
		if p := s.parts[partition]; p != nil {
			p.Halt(offset, next, err)
		}
		return nil
	})
}

// Crash ends the member like kill -9, as far as part of a process can be: nothing more is
// committed, handlers' contexts end, and Run returns ErrCrashed. Running handlers continue until
// they notice.
func (m *Member[T]) Crash() {
	m.mu.Lock()
	m.down = true
	m.mu.Unlock()
	_ = m.do(func(s *session[T]) error { return ErrCrashed })
}

// FailCommits makes f decide about each commit request. Its result is the response; a
// *stream.CommitError stores the partitions that it does not name. nil: all succeed again.
func (m *Member[T]) FailCommits(f func(offsets map[stream.TopicPartition]int64) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

func (m *Member[T]) isDoomed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.doomed
}

// own records which partitions the member may commit, and the epochs stored with their offsets.
func (m *Member[T]) own(epochs map[int]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n, epoch := range epochs {
		m.given++
		m.owned[n], m.epochs[n] = m.given, epoch
	}
}

// fed records the epoch of the records fed to a partition.
func (m *Member[T]) fed(partition int, epoch int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epochs[partition] = max(m.epochs[partition], epoch)
}

// disowner returns a func that ends the current assignments of partitions, but not later ones.
func (m *Member[T]) disowner(partitions []int) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := maps.Clone(m.owned)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, n := range partitions {
			if m.owned[n] == now[n] {
				delete(m.owned, n)
			}
		}
	}
}

func (m *Member[T]) do(f func(*session[T]) error) error {
	result := make(chan error, 1)
	cmd := func(s *session[T]) {
		err := f(s)
		if errors.Is(err, ErrCrashed) {
			s.crashed = true
		}
		result <- err
	}
	select {
	case m.cmds <- cmd:
		return <-result
	case <-m.ends:
		return ErrEnded
	}
}

// Info implements stream.Source.
func (m *Member[T]) Info() stream.SourceInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return stream.SourceInfo{Name: "test log " + m.log.topic, Groups: []string{group}, StateBytes: m.states}
}

// group is the name of every log's group.
const group = "streamtest"

// GroupMetadata implements stream.GroupSource. Every assignment is a new generation.
func (m *Member[T]) GroupMetadata() stream.GroupMetadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	return stream.GroupMetadata{Group: group, Member: fmt.Sprintf("%s-%p", m.log.topic, m), Generation: int32(m.given)}
}

// Commit implements stream.Source.
func (m *Member[T]) Commit(ctx context.Context, positions map[stream.TopicPartition]stream.Position) error {
	m.mu.Lock()
	down, fail := m.down, m.fail
	m.mu.Unlock()
	if down {
		return ErrCrashed
	}
	var err error
	if fail != nil {
		offsets := make(map[stream.TopicPartition]int64, len(positions))
		for tp, at := range positions {
			offsets[tp] = at.Offset
		}
		err = fail(offsets)
	}
	var refused *stream.CommitError
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	no := map[stream.TopicPartition]error{}
	if refused != nil {
		maps.Copy(no, refused.Errs)
	}
	gone, stateless, down := m.store(ctx, positions, no)
	if down {
		return ErrCrashed
	}
	if len(gone)+len(stateless) > 0 {
		_ = m.do(func(s *session[T]) error { // a session that has ended has nothing to lose and no observer
			s.deleted(gone)
			s.stateless(stateless)
			return nil
		})
	}
	if len(no) > 0 {
		return &stream.CommitError{Errs: no}
	}
	return nil
}

// errNotOwned refuses a commit of a partition that the member has lost.
var errNotOwned = errors.New("the partition is no longer this member's")

// store stores the member's positions in the log, except those refused already. It adds those of
// partitions that were lost. It returns the partitions of a topic that is gone, and those stored
// without their state.
func (m *Member[T]) store(ctx context.Context, positions map[stream.TopicPartition]stream.Position, refused map[stream.TopicPartition]error,
) (gone, stateless []stream.TopicPartition, down bool) {
	stored := map[stream.TopicPartition]stream.Position{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for tp, at := range positions {
		switch _, mine := m.owned[tp.Partition]; {
		case refused[tp] != nil:
		case !mine || stream.Superseded(ctx, tp):
			refused[tp] = errNotOwned
		default:
			stored[tp] = at
		}
	}
	if m.down { // it crashed while the request was in flight
		return nil, nil, true
	}
	gone, stateless = m.log.commit(stored, m.epochs)
	for _, tp := range stateless {
		m.states = min(m.states, len(positions[tp].State)-1)
	}
	return gone, stateless, false
}

// Reread implements stream.Rereader.
func (m *Member[T]) Reread(_ context.Context, at stream.TopicPartition, id stream.TopicID, from int64) (vals []T, lineage stream.Lineage, next, bytes int64, err error) {
	m.mu.Lock()
	down := m.down
	m.mu.Unlock()
	if down {
		return nil, nil, from, 0, ErrCrashed
	}
	es, next, _, _ := m.log.read(id, at.Partition, from, feedMax)
	return chunk[T](es).values(), chunk[T](es), next, int64(len(es)), nil
}

// Run implements stream.Source.
func (m *Member[T]) Run(ctx context.Context, in *stream.Intake[T]) error { return m.run(ctx, in) }

func (m *Member[T]) run(ctx context.Context, in intake[T]) error {
	defer m.once.Do(func() { close(m.ends) })
	s := &session[T]{m: m, ctx: ctx, in: in, parts: map[int]*stream.Partition[T]{}, leaving: map[int]leave[T]{}}
	defer s.wg.Wait()
	in.SetHealth(nil)
	if m.auto {
		all := make([]int, len(m.log.parts))
		for i := range all {
			all[i] = i
		}
		s.failed = s.assign(all, 0)
	}
	for ctx.Err() == nil {
		if s.failed != nil {
			return s.failed
		}
		changed := m.log.changes()
		s.recreated()
		s.truncated()
		if s.feed() && s.done() && !m.isDoomed() {
			return nil
		}
		select {
		case <-changed:
		case <-m.wake:
		case cmd := <-m.cmds:
			if cmd(s); s.crashed {
				s.lose(ErrCrashed, s.all())
				return stream.Permanent(ErrCrashed)
			}
		case <-ctx.Done():
		}
	}
	return s.end()
}
