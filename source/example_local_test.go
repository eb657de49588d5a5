package source_test

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
)

func ExampleSlice() {
	out := sink.Slice[int]()
	err := source.Slice(1, 2, 3).
		Filter(func(v int) bool { return v != 2 }).
		To(out).
		Run(context.Background())
	fmt.Println(out.Values(), err)
	// Output: [1 3] <nil>
}

// A pipeline over a channel ends when the channel is closed.
func ExampleChan() {
	c := make(chan string, 2)
	c <- "a"
	c <- "b"
	close(c)
	err := source.Chan(c).
		Serial(func(_ context.Context, v string) error { fmt.Println(v); return nil }).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}

// Any iterator can be a source, here the lines of a text.
func ExampleFunc() {
	lines := bufio.NewScanner(strings.NewReader("first\nsecond\n"))
	err := source.Func(func(context.Context) (string, bool, error) {
		more := lines.Scan()
		return lines.Text(), more, lines.Err()
	}).
		Serial(func(_ context.Context, line string) error { fmt.Println(line); return nil }).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// first
	// second
	// <nil>
}
