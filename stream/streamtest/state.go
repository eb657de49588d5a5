package streamtest

import (
	"errors"
	"slices"

	"github.com/laneway-go/laneway/stream"
)

// stateBytes is the default limit of a log for a state's size, as in brokers.
const stateBytes = 4096

var errStateRefused = errors.New("streamtest: the state is larger than RefuseStates allows")

// stored is what a group has committed for a partition.
type stored struct {
	offset int64 // -1: nothing
	state  string
	epoch  int32 // the newest epoch fed to the committing member; -1: another client committed
}

var nothing = stored{offset: -1, epoch: -1}

// reign is the term of a leader, whose records start at an offset.
type reign struct {
	epoch int32
	from  int64
}

// State returns the resume state stored with the committed offset, empty for none.
func (l *Log[T]) State(partition int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(partition).stored.state
}

// SetState replaces the state stored with the committed offset: by a damaged one, a stale one, that
// of another partition, or none.
func (l *Log[T]) SetState(partition int, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stored.state = state
	l.broadcast()
}

// RefuseStates makes commits store offsets without their state if it has more than limit bytes,
// like brokers with a lower offset.metadata.max.bytes. Members adapt to the limit.
func (l *Log[T]) RefuseStates(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
}

// Truncate truncates a partition at an offset, like the election of a leader that lacks the records
// from there on. New records get their offsets. The committed offset stays. A member that is beyond
// the end loses the partition and restarts it.
func (l *Log[T]) Truncate(partition int, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.part(partition)
	p.end = min(p.end, offset)
	p.entries = slices.DeleteFunc(p.entries, func(e entry[T]) bool { return e.meta.Offset >= offset })
	next := p.reigns[len(p.reigns)-1].epoch + 1
	p.reigns = slices.DeleteFunc(p.reigns, func(r reign) bool { return r.from >= offset })
	p.reigns = append(p.reigns, reign{next, p.end})
	l.broadcast()
}

// epochAt returns the leader epoch of the record at an offset.
func (p *partition[T]) epochAt(offset int64) (epoch int32) {
	for _, r := range p.reigns {
		if r.from > offset {
			break
		}
		epoch = r.epoch
	}
	return epoch
}

// endOf returns where an epoch ends in the log: at the next epoch's start, or at the log's end; -1:
// the epoch is unknown.
func (p *partition[T]) endOf(epoch int32) int64 {
	for _, r := range p.reigns {
		if r.epoch > epoch {
			return r.from
		}
	}
	if epoch == p.reigns[len(p.reigns)-1].epoch {
		return p.end
	}
	return -1
}

// position returns a partition's next assignment.
func (l *Log[T]) position(n int) (a stream.Assignment, epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.part(n)
	a = stream.Assignment{TopicPartition: stream.TopicPartition{Topic: l.topic, Partition: n}, TopicID: l.id, Scope: "streamtest/" + group}
	if p.stored.offset > p.end && p.cut() { // truncated: the offset no longer exists
		a.Next, a.Committed, a.LogEnd = p.end, -1, p.end
		return a, -1
	}
	a.Next, a.Committed, a.State = max(p.stored.offset, 0), p.stored.offset, p.stored.state
	a.LogEnd = a.Next
	if p.stored.epoch >= 0 {
		a.LogEnd = max(p.endOf(p.stored.epoch), a.Next)
	}
	return a, p.stored.epoch
}

// wasCut reports whether a partition was ever truncated.
func (l *Log[T]) wasCut(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(n).cut()
}

func (p *partition[T]) cut() bool { return p.reigns[len(p.reigns)-1].epoch > 0 }

// stateless reports offsets that were stored without their state.
func (s *session[T]) stateless(tps []stream.TopicPartition) {
	for _, tp := range tps {
		s.in.Emit(stream.SourceEvent{TopicPartition: tp, Name: "state refused", Err: errStateRefused, Text: "the offset is stored without its resume state"})
	}
}

// keep stores a position, and reports whether its state was refused.
func (l *Log[T]) keep(n int, at stream.Position, epoch int32) (refused bool) {
	if refused = len(at.State) > l.limit; refused {
		at.State = ""
	}
	l.part(n).stored = stored{at.Offset, at.State, epoch}
	return refused
}
