package source

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Func feeds the values that next returns, as one partition. It asks for one value at a time, while
// there is room (MaxInFlight). next returns false at the end, or an error to end the pipeline with.
// It must return when ctx ends, which happens when the pipeline drains. One pipeline never calls it
// concurrently.
func Func[T any](next func(ctx context.Context) (v T, ok bool, err error)) stream.Stream[T] {
	return local("func", func() puller[T] {
		if next == nil {
			return nil
		}
		return func(ctx context.Context, buf []T) (int, bool, error) {
			v, ok, err := next(ctx)
			if err != nil || !ok {
				return 0, false, err
			}
			buf[0] = v
			return 1, true, nil
		}
	})
}
