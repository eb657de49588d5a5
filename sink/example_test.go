package sink_test

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func ExampleFunc() {
	print := sink.Func(func(_ context.Context, es []stream.Out[string]) error {
		for _, e := range es {
			fmt.Println(e.Meta, e.Value)
		}
		return nil
	})
	err := source.Slice("a", "b").To(print).Run(context.Background())
	fmt.Println(err)
	// Output:
	// slice[0]@0 a
	// slice[0]@1 b
	// <nil>
}

func ExampleSlice() {
	out := sink.Slice[int]()
	err := source.Slice(3, 1, 2).
		Filter(func(v int) bool { return v > 1 }).
		To(out).
		Run(context.Background())
	fmt.Println(out.Values(), err)
	// Output: [3 2] <nil>
}

func ExampleChan() {
	c := make(chan string, 2)
	err := source.Slice("a", "b").To(sink.Chan(c)).Run(context.Background())
	close(c) // the caller closes it, not the sink
	for v := range c {
		fmt.Println(v)
	}
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}
