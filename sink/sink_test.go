package sink_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestSlice(t *testing.T) {
	t.Run("keeps order and lineage", func(t *testing.T) {
		out := sink.Slice[int]()
		if err := source.Slice(3, 1, 2).To(out).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Values(), []int{3, 1, 2}) {
			t.Error(out.Values())
		}
		for i, e := range out.Elems() {
			if e.Meta.Offset != int64(i) || e.Meta.Topic != "slice" {
				t.Errorf("%d came from %v", i, e.Meta)
			}
		}
	})
}

func TestChan(t *testing.T) {
	t.Run("is backpressure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := make(chan int)
			p, err := source.Slice(make([]int, 100)...).To(sink.Chan(c)).Build(stream.MaxInFlight(10))
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() { ended <- p.Run(t.Context()) }()
			synctest.Wait()
			if n := p.Snapshot().Partitions[0].InFlight; n != 10 {
				t.Errorf("%d in flight without a receiver, want 10", n)
			}
			for range 100 {
				<-c
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("names unsent elements", func(t *testing.T) {
		c := make(chan int, 1)
		cause := errors.New("no time")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		var partial *stream.PartialError
		for {
			err := sink.Chan(c).Write(ctx, []stream.Out[int]{{Value: 1}, {Value: 2}})
			if !errors.As(err, &partial) || !errors.Is(err, cause) {
				t.Fatal(err)
			}
			if sent := len(c); sent+len(partial.Errs) != 2 {
				t.Fatalf("%d sent, but these reported as unsent: %v", sent, partial.Errs)
			}
			if len(c) == 1 { // select picks either case when both are ready
				return
			}
		}
	})
}

func TestFunc(t *testing.T) {
	t.Run("leaves failures to the policies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			down := errors.New("down")
			var skipped []int
			writes := 0
			s := sink.Func(func(_ context.Context, es []stream.Out[int]) error {
				if writes++; writes == 1 {
					return down
				}
				for i, e := range es {
					if e.Value == 2 {
						return &stream.PartialError{Errs: map[int]error{i: errors.New("too large")}}
					}
				}
				return nil
			})
			err := source.Slice(1, 2, 3).To(s).
				RetryOnError(stream.RetryPolicy{Wait: func(stream.Failure) time.Duration { return time.Second }}, stream.When(func(err error) bool { return errors.Is(err, down) })).
				SkipOnError(stream.OnMatch(func(_ context.Context, f stream.Failure) { skipped = append(skipped, f.Value.(int)) })).
				Run(t.Context())
			if err != nil || !slices.Equal(skipped, []int{2}) || writes != 2 {
				t.Fatalf("%v: skipped %v after %d writes", err, skipped, writes)
			}
		})
	})
}

func TestNilSink(t *testing.T) {
	t.Run("is refused by Build", func(t *testing.T) {
		for name, s := range map[string]stream.Sink[int]{"Func": sink.Func[int](nil), "Chan": sink.Chan[int](nil)} {
			_, err := source.Slice(1).To(s).Build()
			var fault *stream.BuildError
			if !errors.As(err, &fault) || fault.What != "the sink is nil" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
