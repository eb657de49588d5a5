package sink

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/laneway-go/laneway/stream"
)

const (
	sqlAttempts  = 10
	sqlFirstWait = 5 * time.Millisecond
	sqlLastWait  = 500 * time.Millisecond
)

// again calls f until it succeeds, fails with an error that is not retriable, or has failed
// sqlAttempts times.
func again(ctx context.Context, retriable func(error) bool, f func() error) error {
	wait := sqlFirstWait
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || attempt == sqlAttempts || stream.IsPermanent(err) || !retriable(err) {
			return err
		}
		// at random, so that transactions that collided do not collide again
		pause := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		wait = min(2*wait, sqlLastWait)
	}
}

// marked marks SQLite's errors of a whole transaction for stream.IsWhole: all result codes except
// SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH. IsWhole itself knows PostgreSQL's.
func marked(err error) error {
	var code interface{ Code() int }
	if !errors.As(err, &code) {
		return err
	}
	switch primary := code.Code() & 0xff; {
	case 18 <= primary && primary <= 20, primary > 28: // above 28: not SQLite's
		return err
	}
	return stream.Whole(err)
}

// retried reports whether the database asks to repeat the transaction: PostgreSQL by SQLSTATE
// (serialization_failure, deadlock_detected), SQLite by result code (SQLITE_BUSY, SQLITE_LOCKED and
// their extended codes).
func retried(err error) bool {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	var code interface{ Code() int }
	return errors.As(err, &code) && (code.Code()&0xff == 5 || code.Code()&0xff == 6)
}
