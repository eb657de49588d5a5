package source

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Func feeds what next returns, as one partition: it asks for one value at a time, while there is
// room (MaxInFlight). next returns false when there is no more, an error to end the pipeline with
// it, and heeds ctx, which ends when the pipeline drains. It is never called twice at once by one
// pipeline.
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
