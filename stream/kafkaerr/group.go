package kafkaerr

import "fmt"

// GroupError is a refusal that no retry mends; Err is the broker's kafka.Error or the cause on this
// side, Fix what to do about it.
type GroupError struct {
	Group, Op string
	Err       error
	Fix       string
}

func (e *GroupError) Error() string {
	if e.Fix == "" {
		return fmt.Sprintf("group %s: %s: %v", e.Group, e.Op, e.Err)
	}
	return fmt.Sprintf("group %s: %s: %v; %s", e.Group, e.Op, e.Err, e.Fix)
}

func (e *GroupError) Unwrap() error { return e.Err }
