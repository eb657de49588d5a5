package stream

import (
	"errors"
	"fmt"
)

// ReadyWhen makes Ready and /readyz stricter. check gets the Snapshot of a pipeline that is
// otherwise ready, and returns why it is not. Pass EveryPartition to be ready only while no
// partition is halted, has parked lanes, or is unreadable. A roll-out that waits for that cannot
// deploy the fix for a poison record.
func ReadyWhen(check func(Snapshot) error) Option { return readyWhen(check) }

type readyWhen func(Snapshot) error

func (check readyWhen) option(o *options) {
	if check == nil {
		o.faults = append(o.faults, &BuildError{Code: faultNil, What: "ReadyWhen was given a nil func", Fix: "pass EveryPartition, or leave it out"})
		return
	}
	o.ready = append(o.ready, check)
}

// EveryPartition is a check for ReadyWhen. Its error lists the partitions that are halted, have
// parked lanes or cannot be read; nil if there is none.
func EveryPartition(s Snapshot) error {
	var errs []error
	for _, p := range s.Partitions {
		if p.Halt != nil {
			errs = append(errs, errors.New(p.Halt.String()))
		}
		if p.Parked > 0 {
			errs = append(errs, fmt.Errorf("%v has %d parked, see Halts", p.TopicPartition, p.Parked))
		}
	}
	for _, t := range s.Troubles {
		errs = append(errs, errors.New(t.String()))
	}
	return errors.Join(errs...)
}
