package stream

import "errors"

// ReadyWhen makes Ready stricter, and /readyz: check gets the Snapshot of a pipeline that is ready
// by itself, and returns why it is not. Pass EveryPartition to be ready only without halts and
// troubles. Mind that a roll-out which waits for that cannot bring the mend of a poison record.
func ReadyWhen(check func(Snapshot) error) Option { return readyWhen(check) }

type readyWhen func(Snapshot) error

func (check readyWhen) option(o *options) {
	if check == nil {
		o.faults = append(o.faults, &BuildError{What: "ReadyWhen was given a nil func", Fix: "give it EveryPartition, or leave it out"})
		return
	}
	o.ready = append(o.ready, check)
}

// EveryPartition is a check for ReadyWhen: why some partition does not move, because it is halted
// or cannot be read; nil: all do.
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
