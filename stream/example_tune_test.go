package stream_test

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// What charge calls is overloaded: spare it without a restart.
func ExamplePipeline_SetDegree() {
	log, began := streamtest.NewLog[string]("orders", 1, nil), make(chan string)
	charge := func(_ context.Context, order string) error { began <- order; return nil }
	p, err := source.Slice[string]().
		GroupByKey().Concurrent(64, charge, stream.Named("charge")).
		CommitEach().
		Build(log.Source())
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- p.Run(context.Background()) }()
	log.Append(0, "ann", "order 1")
	fmt.Println(<-began)

	fmt.Println(p.SetDegree("charge", 64, 2)) // 64 is what Snapshot().Degrees shows
	fmt.Println(p.SetRate("", 0, 100))        // of the pipeline, which had no limit
	fmt.Println(p.Describe().Stages[0].Degree)
	fmt.Println(p.Describe().Rate)
	fmt.Println(p.SetDegree("charge", 64, 1))
	log.Finish()
	fmt.Println(<-ended)
	// Output:
	// order 1
	// <nil>
	// <nil>
	// up to 64 keys at a time, set to 2 until restart
	// 100 records a second, until restart
	// the degree of charge is 2, not 64: the present value is not the one that was seen: take a Snapshot again [LW239]
	// <nil>
}
