package stream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

func TestAHandlerThatEndsItsGoroutineEndsThePipeline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a0", "a1")
		j := start(t, l, commitNow(input.Serial(func(ctx, string) error { runtime.Goexit(); return nil })))
		if err := j.wait(); err == nil || !strings.Contains(err.Error(), "a handler ended its goroutine") {
			t.Errorf("Run: %v", err)
		}
		j.committed(0)
	})
}

func TestAPanicOfAFuncGivenToOnRestEndsThePipelineInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a0")
		j := start(t, l, commitNow(input.Serial(func(c ctx, _ string) error {
			stream.OnRest(c, func(bool) { panic(errBoom) })
			return nil
		})))
		if err := j.wait(); !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "OnRest") {
			t.Errorf("Run: %v", err)
		}
		j.committed(1)
	})
}

func TestAMiddlewareThatPanicsAsItIsMadeIsRefused(t *testing.T) {
	err := of(stream.SourceInfo{}).Serial(pass, stream.Use(func(stream.Handler) stream.Handler { panic(errBoom) })).Run(t.Context())
	var fault *stream.BuildError
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "panic: boom") {
		t.Errorf("Run: %v", err)
	}
}

func TestABatchCollectsInTheOrderOfItsOwnGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "a1")
		release := w.hold("a0")
		var got []string
		j := start(t, l, commitNow(input.GroupByKey().Map(w.echo).Batch(2, 0).Ungroup().Concurrent(4, func(_ context.Context, b []string) error {
			got = b
			return nil
		})))
		release()
		synctest.Wait()
		must(t, j.stop())
		same(t, "the batch", got, []string{"a0", "a1"})
	})
}
