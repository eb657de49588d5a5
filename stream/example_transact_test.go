package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// ledgerBook keeps results and offsets together, as a database would in one transaction.
type ledgerBook struct {
	next map[stream.TopicPartition]stream.Position
}

func (b *ledgerBook) Restore(_ context.Context, parts map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	at := map[stream.TopicPartition]stream.Position{}
	for p := range parts {
		if next, ok := b.next[p]; ok {
			at[p] = next
		}
	}
	return at, nil
}

func (b *ledgerBook) Commit(_ context.Context, tx stream.Txn[string]) error {
	for p, r := range tx.Offsets {
		if old, ok := b.next[p]; ok && old.Offset != r.From { // compare …
			return &stream.FencedError{Partitions: []stream.TopicPartition{p}, Err: fmt.Errorf("%d is stored, not %d", old.Offset, r.From)}
		}
	}
	for p, r := range tx.Offsets { // … and set
		b.next[p] = stream.Position{Offset: r.Next, TopicID: r.TopicID}
		fmt.Printf("%v: offsets %d to %d\n", p, r.From, r.Next)
	}
	for _, e := range tx.Elems {
		fmt.Println(" ", e.Value)
	}
	return nil
}

func ExampleStream_CommitWith() {
	book := &ledgerBook{next: map[stream.TopicPartition]stream.Position{}}
	err := source.Slice("alice 5", "bob 7", "-", "carol 1").
		Filter(func(v string) bool { return v != "-" }).
		MapConcurrent(8, func(_ context.Context, v string) (string, error) { return strings.ToUpper(v), nil }).
		CommitWith(book, 100, time.Second).
		RetryOnError(stream.RetryPolicy{}).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// slice[0]: offsets 0 to 4
	//   ALICE 5
	//   BOB 7
	//   CAROL 1
	// <nil>
}
