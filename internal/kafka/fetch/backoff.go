package fetch

import (
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 2 * time.Second
)

// retryWait is the wait before attempt n (from 1).
func retryWait(n int) time.Duration { return backoff.Wait(n, backoffFirst, backoffMost) }
