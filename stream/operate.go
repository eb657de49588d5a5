package stream

import (
	"errors"
	"fmt"
	"time"
)

// ErrEpoch: the partition passed to Pause or Park is not assigned here in that epoch.
var ErrEpoch = errors.New("the partition is not assigned here in that epoch: take a Snapshot again [LW233]")

// Pause stops reading a partition until a time, or until Resume if until is zero. What was read
// before is processed and committed. Halts lists the pause under the name of who asked. Skip does
// not end it, as no record has failed.
//
// A pause survives rebalances and restarts if commits store a resume state: see Halt.Durable.
// Otherwise it ends with the assignment. epoch is the one that Snapshot has shown.
//
// Errors: ErrEpoch if the partition has moved since then, ErrNotRunning if nothing runs. Others say
// that it is paused already, was halted by its source, or drains.
func (p *Pipeline) Pause(tp TopicPartition, epoch int32, by string, until time.Time) error {
	q, err := p.held("Pause", tp, epoch, by, until)
	if err != nil {
		return err
	}
	return q.pause(by, until)
}

// Park stops one key of a partition until a time, or until Resume if until is zero. All other keys
// continue. A nil key stands for the records without one, and differs from an empty key. Records of
// the key that no step has begun wait, in order. A running step finishes; an element between two
// steps is dropped, and starts again from the first one. Halts lists the park under the name of who
// asked. Skip does not end it, as no record has failed.
//
// The park survives rebalances and restarts, with every build. Waiting records count as unfinished:
// see MaxInFlight. epoch is the one that Snapshot has shown.
//
// Errors: ErrEpoch if the partition has moved since then, ErrNotRunning if nothing runs. Others say
// that the key is parked already, or that nothing could finish beside it. That is so where no
// resume state is stored, with KeepOrder and CommitWith, and below GroupByPartition and GroupBy.
func (p *Pipeline) Park(tp TopicPartition, epoch int32, key []byte, by string, until time.Time) error {
	q, err := p.held("Park", tp, epoch, by, until)
	if err != nil {
		return err
	}
	if why := p.plan.keyApart(); why != "" {
		return fmt.Errorf("a key of %v cannot be parked: %s [LW238]", tp, why)
	}
	return q.parkKey(key, by, until)
}

// held returns the partition that an operator wants to hold.
func (p *Pipeline) held(verb string, tp TopicPartition, epoch int32, by string, until time.Time) (*part, error) {
	switch {
	case by == "":
		return nil, fmt.Errorf("%s of %v: by is empty: pass the name of who asks [LW234]", verb, tp)
	case !until.IsZero() && !until.After(time.Now()):
		return nil, fmt.Errorf("%s of %v: until is %s, which is over: pass a later time [LW234]", verb, tp, until.Format(time.RFC3339))
	}
	r := p.current()
	if r == nil {
		return nil, ErrNotRunning
	}
	q := r.part(tp)
	if q == nil || q.epoch != epoch {
		return nil, fmt.Errorf("%v, epoch %d: %w", tp, epoch, ErrEpoch)
	}
	return q, nil
}
