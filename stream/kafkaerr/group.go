package kafkaerr

import "fmt"

// GroupError is a refusal that no retry can fix. Err is the broker's kafka.Error or a cause on this
// side, Fix is what to do about it.
type GroupError struct {
	Group, Op string
	Err       error
	Fix       string
}

func (e *GroupError) Error() string {
	if e.Fix == "" {
		return fmt.Sprintf("group %s: %s: %v [LW305]", e.Group, e.Op, e.Err)
	}
	return fmt.Sprintf("group %s: %s: %v; %s [LW305]", e.Group, e.Op, e.Err, e.Fix)
}

func (e *GroupError) Unwrap() error { return e.Err }
