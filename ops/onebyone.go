package ops

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/stream"
)

// OneByOne makes a handler of batches that calls f with each element alone, from first to last,
// where f fails on a batch and does not say which of them it is. It names those that fail alone, so
// that the policies act on these, and the others pass on: for Tap, Serial and Concurrent.
//
//	…	Batch(100, time.Second).Concurrent(8, ops.OneByOne(send)).RetryOnError(…).SkipOnError().
//
// It is for a dependency that takes one or many, and nothing in between, or whose calls are cheap;
// stream.Bisect makes fewer of them, and keeps the order: here an element that fails is tried again
// after those behind it. A good one is seen twice, all of them within the same attempt and its
// Timeout. A failure of the whole (stream.IsWhole) is of all elements that have not been called
// alone by then.
func OneByOne[T any](f func(context.Context, []T) error) func(context.Context, []T) error {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, batch []T) error {
		err := f(ctx, batch)
		_, named := errors.AsType[*stream.PartialError](err)
		if err == nil || named || len(batch) < 2 || stream.IsWhole(err) {
			return err
		}
		errs := map[int]error{}
		for i := range batch {
			if err = context.Cause(ctx); err == nil {
				err = f(ctx, batch[i:i+1:i+1])
			}
			switch {
			case err == nil:
			case stream.IsWhole(err):
				for k := i; k < len(batch); k++ {
					errs[k] = err
				}
				return &stream.PartialError{Errs: errs}
			default:
				errs[i] = err
			}
		}
		if len(errs) == 0 {
			return nil
		}
		return &stream.PartialError{Errs: errs}
	}
}
