package ops_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func ExamplePure() {
	out := sink.Slice[string]()
	_ = source.Slice("a", "b").Map(ops.Pure(strings.ToUpper)).To(out).Run(context.Background())
	fmt.Println(out.Values())
	// Output: [A B]
}

func ExampleDedup() {
	out := sink.Slice[string]()
	_ = source.Slice("a", "b", "a").
		Via(ops.Dedup(func(s string) string { return s }, 1000)).
		To(out).
		Run(context.Background(), stream.MaxInFlight(1, 1))
	fmt.Println(out.Values())
	// Output: [a b]
}
