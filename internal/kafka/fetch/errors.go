package fetch

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

// OutOfRangeError says that the log does not have the offset to go on from, and that the reset policy is to fail.
type OutOfRangeError struct {
	TP
	Offset           int64
	Earliest, Latest int64 // what it has
	Why              string
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s[%d]: offset %d is not in the log, which has %d to %d: %s; choose a Reset of earliest or latest, or store another offset for the group",
		e.Topic, e.Partition, e.Offset, e.Earliest, e.Latest, e.Why)
}

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 2 * time.Second
)

// retryWait is the wait before try n (from 1).
func retryWait(n int) time.Duration { return backoff.Wait(n, backoffFirst, backoffMost) }
