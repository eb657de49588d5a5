package streamtest

import (
	"errors"
	"slices"

	"github.com/laneway-go/laneway/stream"
)

// stateBytes is what a log takes of a state, as a broker does unless it is configured otherwise.
const stateBytes = 4096

var errStateRefused = errors.New("streamtest: the state is larger than RefuseStates allows")

// stored is what a group has committed of a partition.
type stored struct {
	offset int64 // -1: nothing
	state  string
	epoch  int32 // the newest that was fed to who committed it; -1: another client did
}

var nothing = stored{offset: -1, epoch: -1}

// reign is a leader's, whose records begin at an offset.
type reign struct {
	epoch int32
	from  int64
}

// State is the resume state that is stored with the committed offset, empty for none.
func (l *Log[T]) State(partition int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(partition).stored.state
}

// SetState puts another state beside the committed offset: a damaged one, a stale one, that of
// another partition, or none.
func (l *Log[T]) SetState(partition int, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(partition).stored.state = state
	l.broadcast()
}

// RefuseStates has commits store offsets without their state where that has more than limit bytes,
// as brokers with a lower offset.metadata.max.bytes do. Members that find out ask for less.
func (l *Log[T]) RefuseStates(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
}

// Truncate cuts a partition off at an offset, as the election of a leader does that had not all of
// it: the records from there on are gone, and others come at their offsets. What is committed
// stays. A member that is beyond the end loses the partition and begins it anew.
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

// epochAt is whose record stands at an offset.
func (p *partition[T]) epochAt(offset int64) (epoch int32) {
	for _, r := range p.reigns {
		if r.from > offset {
			break
		}
		epoch = r.epoch
	}
	return epoch
}

// endOf is where the log ends for who has read it up to an epoch; -1: there was none of that epoch.
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

// position is an assignment of a partition.
func (l *Log[T]) position(n int) (a stream.Assignment, epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.part(n)
	a = stream.Assignment{TopicPartition: stream.TopicPartition{Topic: l.topic, Partition: n}, TopicID: l.id, Scope: "streamtest/" + group}
	if p.stored.offset > p.end && p.cut() { // it was cut off: there is no such offset any more
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

// wasCut reports whether a partition was ever cut off.
func (l *Log[T]) wasCut(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part(n).cut()
}

func (p *partition[T]) cut() bool { return p.reigns[len(p.reigns)-1].epoch > 0 }

// stateless tells whose offsets were stored without their state.
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
