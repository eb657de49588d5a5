package source

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Slice feeds the given values, as one partition whose offsets are their indices, and ends. Values
// have no key: GroupByKey puts them all in one lane; GroupBy reads a key from the value. A commit
// is accepted and stored nowhere.
func Slice[T any](v ...T) stream.Stream[T] {
	return local("slice", func() puller[T] {
		rest := v
		return func(_ context.Context, buf []T) (int, bool, error) {
			n := copy(buf, rest)
			rest = rest[n:]
			return n, len(rest) > 0, nil
		}
	})
}
