package source

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Slice feeds the given values, as one partition whose offsets are their indices, and ends. Values have no key: GroupByKey puts them all in one lane;
// GroupBy reads a key from the value. A commit is accepted and kept nowhere. Costs nothing but the pipeline's own.
func Slice[T any](v ...T) stream.Stream[T] {
	i := 0
	return local("slice", func() func(context.Context) (T, bool, error) {
		return func(context.Context) (t T, ok bool, err error) {
			if i == len(v) {
				return t, false, nil
			}
			i++
			return v[i-1], true, nil
		}
	})
}

// Chan feeds what is received from c, as one partition, and ends when c is closed. What was received and not finished when a drain begins is lost
// with the process: a channel cannot take anything back.
func Chan[T any](c <-chan T) stream.Stream[T] {
	return local("chan", func() func(context.Context) (T, bool, error) {
		return func(ctx context.Context) (t T, ok bool, err error) {
			select {
			case t, ok = <-c:
				return t, ok, nil
			case <-ctx.Done():
				return t, false, ctx.Err()
			}
		}
	})
}

// Func feeds what next returns, as one partition: it pulls one value at a time, while there is room. next returns false when there is no more, an error
// to end the pipeline with it, and heeds ctx, which ends when the pipeline drains.
func Func[T any](next func(ctx context.Context) (T, bool, error)) stream.Stream[T] {
	return local("func", func() func(context.Context) (T, bool, error) { return next })
}
