package sink

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Func makes a sink of a function, which must do what stream.Sink asks of Write. A nil function
// gives a nil sink, which Build refuses.
func Func[T any](write func(ctx context.Context, elems []stream.Out[T]) error) stream.Sink[T] {
	if write == nil {
		return nil
	}
	return funcSink[T](write)
}

type funcSink[T any] func(ctx context.Context, elems []stream.Out[T]) error

func (f funcSink[T]) Write(ctx context.Context, elems []stream.Out[T]) error { return f(ctx, elems) }
