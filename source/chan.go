package source

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Chan feeds the values received from c, as one partition, and ends when c is closed. It receives
// only while there is room (MaxInFlight). A value that was received but not finished when a drain
// ends is lost with the process, since a channel cannot take it back.
func Chan[T any](c <-chan T) stream.Stream[T] {
	return local("chan", func() puller[T] {
		if c == nil {
			return nil
		}
		return func(ctx context.Context, buf []T) (n int, more bool, err error) {
			select {
			case v, ok := <-c:
				if !ok {
					return 0, false, nil
				}
				buf[0] = v
			case <-ctx.Done():
				return 0, false, ctx.Err()
			}
			for n = 1; n < len(buf); n++ {
				select {
				case v, ok := <-c:
					if !ok {
						return n, false, nil
					}
					buf[n] = v
				default:
					return n, true, nil
				}
			}
			return n, true, nil
		}
	})
}
