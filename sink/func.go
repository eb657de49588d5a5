package sink

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Func makes a sink of a function: stream.Sink says what it owes. Of a nil func it is nil, which
// Build refuses.
func Func[T any](write func(ctx context.Context, elems []stream.Out[T]) error) stream.Sink[T] {
	if write == nil {
		return nil
	}
	return funcSink[T](write)
}

type funcSink[T any] func(ctx context.Context, elems []stream.Out[T]) error

func (f funcSink[T]) Write(ctx context.Context, elems []stream.Out[T]) error { return f(ctx, elems) }
