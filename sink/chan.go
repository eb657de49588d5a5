package sink

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Chan sends elements to c. An element is done once it is received or buffered in c. A blocked send
// is backpressure, and it ends when the context does. Elements already sent stay done if the rest
// of the write fails. The caller owns c, and may close it only after Run has returned. A nil
// channel gives a nil sink, which Build refuses.
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

// unsent fails the elements from i on.
func unsent(i, n int, err error) error {
	errs := make(map[int]error, n-i)
	for ; i < n; i++ {
		errs[i] = err
	}
	return &stream.PartialError{Errs: errs}
}
