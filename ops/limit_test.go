package ops_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestLimit(t *testing.T) {
	t.Run("is shared by all steps that use it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int64
			work := func(_ context.Context, v int) error {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				return nil
			}
			limit := ops.Limit(3)
			start := time.Now()
			err := source.Slice(make([]int, 12)...).
				Concurrent(8, work, stream.Use(limit), stream.Named("first")).
				Concurrent(8, work, stream.Use(limit), stream.Named("second")).
				Run(t.Context())
			if err != nil || most.Load() != 3 {
				t.Fatalf("%v; %d at a time, want 3", err, most.Load())
			}
			if took := time.Since(start); took != 8*time.Second {
				t.Errorf("24 calls of 1 s, 3 at a time, took %v", took)
			}
		})
	})
	t.Run("gives up with the context", func(t *testing.T) {
		limit := ops.Limit(1)
		inside, release := make(chan struct{}), make(chan struct{})
		h := limit(func(context.Context, stream.Call) error {
			close(inside)
			<-release
			return nil
		})
		done := make(chan error)
		go func() { done <- h(t.Context(), nil) }()
		<-inside
		cause := errors.New("no time")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if err := h(ctx, nil); !errors.Is(err, cause) {
			t.Errorf("a call over the limit: %v", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("is refused by Build below 1", func(t *testing.T) {
		_, err := source.Slice(1).Serial(func(context.Context, int) error { return nil }, stream.Use(ops.Limit(0))).Build()
		var fault *stream.BuildError
		if !errors.As(err, &fault) {
			t.Fatal(err)
		}
	})
}
