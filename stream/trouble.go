package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Trouble is a partition that cannot be read, though it is this worker's: no leader, no offset to start from, no permission. It waits by itself, the others
// are read. Snapshot lists troubles, and /readyz.
type Trouble struct {
	TopicPartition           // Partition -1: the whole topic
	Since          time.Time // when the source told of it
	Err            error
}

func (t Trouble) String() string {
	where := t.TopicPartition.String()
	if t.Partition < 0 {
		where = t.Topic
	}
	return fmt.Sprintf("%s cannot be read since %s: %v", where, t.Since.Format(time.RFC3339), t.Err)
}

// Trouble says that a partition cannot be read and why, assigned or not yet; nil: it is read again, or is another worker's. The pipeline stays ready.
func (in *Intake[T]) Trouble(tp TopicPartition, err error) { in.run.trouble(tp, err) }

func (r *run) trouble(tp TopicPartition, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.troubles[tp]
	switch {
	case err == nil:
		delete(r.troubles, tp)
	case known:
		r.troubles[tp] = Trouble{tp, old.Since, err}
	default:
		r.troubles[tp] = Trouble{tp, time.Now(), err}
	}
}

// inTrouble lists the partitions that cannot be read.
func (r *run) inTrouble() []Trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Trouble, 0, len(r.troubles))
	for _, t := range r.troubles {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// ReadyWhen makes Ready stricter, and /readyz: check gets the Snapshot of a pipeline that is ready by itself, and returns why it is not. Pass EveryPartition to
// be ready only without halts and troubles. Mind that a roll-out which waits for that cannot bring the mend of a poison record.
func ReadyWhen(check func(Snapshot) error) Option { return readyWhen(check) }

type readyWhen func(Snapshot) error

func (check readyWhen) option(o *options) {
	if check == nil {
		o.faults = append(o.faults, &BuildError{What: "ReadyWhen was given a nil func", Fix: "give it EveryPartition, or leave it out"})
		return
	}
	o.ready = append(o.ready, check)
}

// EveryPartition is a check for ReadyWhen: why some partition does not move, because it is halted or cannot be read; nil: all do.
func EveryPartition(s Snapshot) error {
	var errs []error
	for _, p := range s.Partitions {
		if p.Halt != nil {
			errs = append(errs, errors.New(p.Halt.String()))
		}
	}
	for _, t := range s.Troubles {
		errs = append(errs, errors.New(t.String()))
	}
	return errors.Join(errs...)
}
