package ops

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/stream"
)

// OneByOne makes a batch handler that finds the failing elements. It calls f with the batch. If f
// fails without naming elements, it calls f with each element alone, first to last. The policies
// then decide about the elements that failed alone, and the others pass on. Use it with Tap, Serial
// and Concurrent:
//
//	…	Batch(100, time.Second).Concurrent(8, ops.OneByOne(send)).RetryOnError(…).SkipOnError().
//
// Use it if f takes a whole batch or a single element but no part of a batch, or if calls are
// cheap. Otherwise stream.Bisect needs fewer calls. It also keeps the order, which OneByOne does
// not: a failed element is retried after those behind it. f sees good elements twice, all within
// one attempt and its Timeout. An error of the whole (stream.IsWhole) fails all elements that were
// not called alone so far.
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
