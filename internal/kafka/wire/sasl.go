package wire

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/sasl"
)

// attempt tracks one request's authentication. Brokers may close the connection on wrong
// credentials, which looks like any other lost connection unless it happened during authentication.
type attempt struct {
	started, done atomic.Bool
	err           atomic.Pointer[error] // of the mechanism itself
}

type attemptKey struct{}

// refused returns why authentication failed, if it did.
func (a *attempt) refused(err error) error {
	if e := a.err.Load(); e != nil {
		return *e
	}
	if a.started.Load() && !a.done.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return errHungUp
	}
	return nil
}

var errHungUp = errors.New("the broker closed the connection during authentication: it does not accept these credentials")

// watched is the user's mechanism. It reports to the attempt in ctx.
type watched struct{ sasl.Mechanism }

func (w watched) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	m, ir, err := w.Mechanism.Start(ctx)
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return m, ir, err // the Transport's own discovery
	}
	if err != nil {
		a.err.Store(&err)
		return nil, nil, err
	}
	a.started.Store(true)
	return watchedState{m, a}, ir, nil
}

type watchedState struct {
	sasl.StateMachine
	a *attempt
}

func (w watchedState) Next(ctx context.Context, challenge []byte) (bool, []byte, error) {
	done, resp, err := w.StateMachine.Next(ctx, challenge)
	if err != nil {
		w.a.err.Store(&err)
	}
	w.a.done.Store(done)
	return done, resp, err
}
