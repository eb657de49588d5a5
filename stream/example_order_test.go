package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

type Order struct {
	Customer string
	Cents    int
}

func show[T any](_ context.Context, v T) error {
	fmt.Println(v)
	return nil
}

// One element after the other, each partition's in order.
func ExampleStream_Serial() {
	err := source.Slice("a", "b", "c").
		Serial(func(_ context.Context, v string) error {
			fmt.Println("handled", v)
			return nil
		}).
		CommitEach().
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// handled a
	// handled b
	// handled c
	// <nil>
}

// Orders of one customer follow one another; those of different customers run side by side, up to
// eight at a time.
func ExampleStream_GroupBy() {
	balance := map[string][]int{"ann": nil, "bob": nil}
	balances := make(chan Order, 4)
	_ = source.Slice(Order{"ann", 5}, Order{"bob", 7}, Order{"ann", -2}, Order{"bob", 1}).
		GroupBy(func(o Order) string { return o.Customer }).
		Concurrent(8, func(_ context.Context, o Order) error { balances <- o; return nil }).
		Run(context.Background())
	close(balances)
	for o := range balances {
		balance[o.Customer] = append(balance[o.Customer], o.Cents)
	}
	fmt.Println(balance)
	// Output: map[ann:[5 -2] bob:[7 1]]
}

// Results leave in the order of the input, though four are made at a time and the first comes last.
func ExampleKeepOrder() {
	others := make(chan struct{}, 3)
	slowFirst := func(_ context.Context, n int) (int, error) {
		if n > 0 {
			others <- struct{}{}
			return n * n, nil
		}
		for range 3 {
			<-others
		}
		return 0, nil
	}
	_ = source.Slice(0, 1, 2, 3).MapConcurrent(4, slowFirst, stream.KeepOrder()).GroupByPartition().Serial(show).Run(context.Background())
	// Output:
	// 0
	// 1
	// 4
	// 9
}

// Value steps cost neither a goroutine nor a channel: they run in the worker of the degree word
// below them.
func ExampleStream_Map() {
	length := func(_ context.Context, s string) (int, error) { return len(s), nil }
	_ = source.Slice("one", "three").Map(length).Serial(show).Run(context.Background())
	// Output:
	// 3
	// 5
}

func ExampleStream_Filter() {
	_ = source.Slice(1, 2, 3, 4).Filter(func(n int) bool { return n%2 == 0 }).Serial(show).Run(context.Background())
	// Output:
	// 2
	// 4
}

// A batch is collected up to its size, or until the wait is over, and never held back by a drain.
func ExampleStream_Batch() {
	_ = source.Slice("a", "b", "c", "d", "e").Batch(2, time.Second).Serial(show).Run(context.Background())
	// Output:
	// [a b]
	// [c d]
	// [e]
}

// A custom operator is a function from stream to stream.
func ExamplePipe() {
	var double stream.Pipe[int, int] = func(s stream.Stream[int]) stream.Stream[int] {
		return s.Map(func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	}
	_ = source.Slice(1, 2).Via(double).Via(double).Serial(show).Run(context.Background())
	// Output:
	// 4
	// 8
}

// Transform is for what no Pipe can express: here, every second element waits for its successor,
// and both are done with the pair.
func ExampleStream_Transform() {
	pairs := func(_ context.Context, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
		for first := range in {
			second, ok := <-in
			if !ok {
				out <- first
				break
			}
			out <- first.Join(second).With(first.Value + second.Value)
		}
		return nil
	}
	_ = source.Slice("a", "b", "c").GroupByPartition().Transform("pairs", pairs).Serial(show).Run(context.Background())
	// Output:
	// ab
	// c
}

// What a Transform holds until others come, FlushOf asks for before they cannot come any more:
// here, only three elements are in flight.
func ExampleFlushOf() {
	hundreds := func(ctx context.Context, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
		var held []stream.Elem[string]
		send := func() {
			for _, e := range held {
				out <- e
			}
			held = nil
		}
		defer send() // what there is at the end
		for flush := stream.FlushOf(ctx); ; {
			select {
			case e, ok := <-in:
				if !ok {
					return nil
				}
				if held = append(held, e); len(held) == 100 {
					send()
				}
			case <-flush:
				send()
			}
		}
	}
	_ = source.Slice("a", "b", "c", "d", "e").Transform("hundreds", hundreds).Serial(show).
		Run(context.Background(), stream.MaxInFlight(3), stream.MaxBytes(1<<20))
	// Output:
	// a
	// b
	// c
	// d
	// e
}
