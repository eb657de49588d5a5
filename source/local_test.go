package source_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestSliceFeedsAllInEveryRun(t *testing.T) {
	vals := make([]int, 1000)
	for i := range vals {
		vals[i] = i
	}
	out := sink.Slice[int]()
	plan := source.Slice(vals...).To(out)
	for run := 1; run <= 2; run++ {
		if err := plan.Run(t.Context(), stream.MaxInFlight(7)); err != nil {
			t.Fatal(err)
		}
		if got := out.Values(); len(got) != 1000*run || !slices.Equal(got[len(got)-1000:], vals) {
			t.Fatalf("run %d: %d values", run, len(got))
		}
	}
}

func TestChan(t *testing.T) {
	t.Run("feeds a value without waiting for more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, out := make(chan int, 10), sink.Slice[int]()
			ended := make(chan error)
			go func() { ended <- source.Chan(c).To(out).Run(t.Context()) }()
			c <- 1
			synctest.Wait()
			if got := out.Values(); !slices.Equal(got, []int{1}) {
				t.Errorf("1 was sent, %v arrived", got)
			}
			c <- 2
			c <- 3
			close(c)
			if err := <-ended; err != nil || !slices.Equal(out.Values(), []int{1, 2, 3}) {
				t.Errorf("%v: %v", err, out.Values())
			}
		})
	})
	t.Run("drains while it is empty", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- source.Chan(make(chan int)).To(sink.Slice[int]()).Run(ctx) }()
			synctest.Wait()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("receives no more than there is room for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, hold := make(chan int, 100), make(chan struct{})
			for i := range cap(c) {
				c <- i
			}
			close(c)
			out := sink.Slice[int]()
			ended := make(chan error)
			go func() {
				ended <- source.Chan(c).Serial(func(context.Context, int) error { <-hold; return nil }).To(out).Run(t.Context(), stream.MaxInFlight(5))
			}()
			synctest.Wait()
			if left := len(c); left != 95 {
				t.Errorf("%d values are left in the channel, want 95", left)
			}
			close(hold)
			if err := <-ended; err != nil || len(out.Values()) != 100 || !slices.IsSorted(out.Values()) {
				t.Errorf("%v: %v", err, out.Values())
			}
		})
	})
}

func TestFunc(t *testing.T) {
	t.Run("ends the pipeline with its error", func(t *testing.T) {
		broken, n := errors.New("the file is broken"), 0
		out := sink.Slice[int]()
		err := source.Func(func(context.Context) (int, bool, error) {
			if n++; n > 3 {
				return 0, false, broken
			}
			return n, true, nil
		}).To(out).Run(t.Context())
		if !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
	t.Run("is called only while there is room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			asked, hold := 0, make(chan struct{})
			ended := make(chan error)
			go func() {
				ended <- source.Func(func(context.Context) (int, bool, error) {
					asked++
					return asked, asked < 20, nil
				}).Serial(func(context.Context, int) error { <-hold; return nil }).Run(t.Context(), stream.MaxInFlight(5))
			}()
			synctest.Wait()
			if asked != 5 {
				t.Errorf("called %d times with room for 5", asked)
			}
			close(hold)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("ends the pipeline with its panic", func(t *testing.T) {
		err := source.Func(func(context.Context) (int, bool, error) { panic("torn page") }).Run(t.Context())
		var caught *stream.PanicError
		if !errors.As(err, &caught) || caught.Value != "torn page" {
			t.Fatal(err)
		}
	})
}

func TestNilSource(t *testing.T) {
	for name, chain := range map[string]stream.Stream[int]{"func": source.Func[int](nil), "chan": source.Chan[int](nil)} {
		_, err := chain.Build()
		var fault *stream.BuildError
		if !errors.As(err, &fault) || fault.Step != "source."+name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
