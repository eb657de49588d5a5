package sink

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Chan sends elements to c; one is done when it was received, or has a place in c's buffer. A send
// that blocks is backpressure; it ends with the context. An element that was sent when the rest of
// its write failed counts as done. The caller owns c and closes it, if at all, after Run has
// returned. Of a nil channel it is nil, which Build refuses.
func Chan[T any](c chan<- T) stream.Sink[T] {
	if c == nil {
		return nil
	}
	return chanSink[T](c)
}

type chanSink[T any] chan<- T

func (c chanSink[T]) Write(ctx context.Context, elems []stream.Out[T]) error {
	for i, e := range elems {
		select {
		case c <- e.Value:
		case <-ctx.Done():
			return unsent(i, len(elems), context.Cause(ctx))
		}
	}
	return nil
}

// unsent names the elements from i on.
func unsent(i, n int, err error) error {
	errs := make(map[int]error, n-i)
	for ; i < n; i++ {
		errs[i] = err
	}
	return &stream.PartialError{Errs: errs}
}
