package ops_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// A value that cannot be decoded is left to the policies. This chain skips it and prints why.
func ExampleJSON() {
	type Order struct{ ID, Cents int }
	records := []kafka.Message{
		{Offset: 0, Value: []byte(`{"ID": 1, "Cents": 250}`)},
		{Offset: 1, Value: []byte(`{"ID": 2, "Cents":`)},
	}
	err := source.Slice(records...).
		Map(ops.JSON[Order]).
		Serial(func(_ context.Context, o Order) error {
			fmt.Printf("order %d: %d cents\n", o.ID, o.Cents)
			return nil
		}).
		SkipOnError(stream.OnMatch(func(_ context.Context, f stream.Failure) { fmt.Println(f) })).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// order 1: 250 cents
	// JSON: slice[0]@1 failed after 1 attempt: decoding 18 bytes of JSON into ops_test.Order at byte 18: unexpected end of JSON input [LW442]
	// <nil>
}

// A pointer tells a tombstone, whose key was deleted, from other values.
func ExampleJSON_tombstone() {
	type Customer struct{ Name string }
	records := []kafka.Message{
		{Key: []byte("7"), Value: []byte(`{"Name": "Ada"}`)},
		{Key: []byte("7")},
	}
	err := source.Slice(records...).
		Map(ops.JSON[*Customer]).
		Serial(func(_ context.Context, c *Customer) error {
			if c == nil {
				fmt.Println("deleted")
				return nil
			}
			fmt.Println("now", c.Name)
			return nil
		}).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// now Ada
	// deleted
	// <nil>
}

// Two steps share the capacity of one database.
func ExampleLimit() {
	query := func(_ context.Context, v int) (int, error) { return v * 10, nil }
	update := func(_ context.Context, v int) error { fmt.Println(v); return nil }
	database := stream.Use(ops.Limit(2))
	err := source.Slice(1, 2, 3).
		MapConcurrent(8, query, database, stream.KeepOrder()).
		Serial(update, database).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// 10
	// 20
	// 30
	// <nil>
}

func ExamplePure() {
	out := sink.Slice[string]()
	err := source.Slice("a", "b").Map(ops.Pure(strings.ToUpper)).To(out).Run(context.Background())
	fmt.Println(out.Values(), err)
	// Output: [A B] <nil>
}

func ExampleDedup() {
	out := sink.Slice[string]()
	err := source.Slice("a", "b", "a").
		Via(ops.Dedup(func(s string) string { return s }, 1000)).
		To(out).
		Run(context.Background())
	fmt.Println(out.Values(), err)
	// Output: [a b] <nil>
}
