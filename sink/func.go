package sink

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Func makes a sink of a function: stream.Sink says what it owes.
type Func[T any] func(ctx context.Context, elems []stream.Out[T]) error

// Write implements stream.Sink.
func (f Func[T]) Write(ctx context.Context, elems []stream.Out[T]) error { return f(ctx, elems) }
