package stream_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

var errDown = errors.New("the bank does not answer")

// bank answers each order at the third time of asking.
func bank() func(context.Context, string) error {
	asked := 0
	return func(context.Context, string) error {
		if asked++; asked%3 != 0 {
			return errDown
		}
		return nil
	}
}

// A failed step is retried alone. Its lane waits, and its worker does not.
func ExampleStream_RetryOnError() {
	err := source.Slice("order 1").
		Serial(bank()).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3, Wait: func(stream.Failure) time.Duration { return time.Millisecond }},
			stream.OnMatch(func(_ context.Context, f stream.Failure) { fmt.Println("attempt", f.Attempts, "failed:", f.Err) })).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// attempt 1 failed: the bank does not answer
	// attempt 2 failed: the bank does not answer
	// <nil>
}

// With no policy, a failure ends the pipeline. The record stays uncommitted.
func ExampleStepError() {
	err := source.Slice("order 1").Serial(bank(), stream.Named("charge")).Run(context.Background())
	var failed *stream.StepError
	if errors.As(err, &failed) {
		fmt.Println(failed.Step, failed.Offset, failed.Attempts, failed.Err)
	}
	fmt.Println(errors.Is(err, errDown))
	// Output:
	// charge 0 1 the bank does not answer
	// true
}

// Policies read downward as escalation: what is transient is tried again, what is no order at all
// is skipped, the rest goes to a dead-letter sink.
func ExampleWhen() {
	errNoOrder := errors.New("no order")
	handle := func(_ context.Context, v string) error {
		switch v {
		case "hello":
			return errNoOrder
		case "order 666":
			return errors.New("refused")
		}
		fmt.Println("charged", v)
		return nil
	}
	_ = source.Slice("order 1", "hello", "order 666", "order 2").
		Serial(handle).
		RetryOnError(stream.RetryPolicy{}, stream.When(func(err error) bool { return errors.Is(err, errDown) })).
		SkipOnError(stream.When(func(err error) bool { return errors.Is(err, errNoOrder) })).
		DeadLetterOnError(deadLetters{}).
		Run(context.Background())
	// Output:
	// charged order 1
	// dead letter: order 666, since refused
	// charged order 2
}

type deadLetters struct{}

func (deadLetters) Write(_ context.Context, fs []stream.Out[stream.Failure]) error {
	for _, f := range fs {
		fmt.Printf("dead letter: %v, since %v\n", f.Value.Record, f.Value.Err)
	}
	return nil
}

// A poison record freezes its partition; the other one continues. The operator sees why, has the
// cause fixed, and resumes.
func ExamplePipeline_Resume() {
	log := streamtest.NewLog[string]("orders", 2, nil)
	log.Append(0, "ann", "order 1", "order 2", "order 3")
	log.Append(1, "bob", "order 4", "order 5")

	fixed := false // set while the partition is halted, so that no handler reads it
	charge := func(_ context.Context, order string) error {
		if order == "order 2" && !fixed {
			return errors.New("card expired")
		}
		return nil
	}
	halted := make(chan stream.Halt, 1)
	p, err := source.Slice[string]().
		GroupByPartition().Serial(charge, stream.Named("charge")).
		HaltOnError().
		CommitEach().
		Build(log.Source(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if h, ok := e.(stream.Halted); ok {
				halted <- h.Halt
			}
		}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- p.Run(context.Background()) }()

	h := <-halted
	_ = log.WaitCommitted(context.Background(), 1, 2)
	fmt.Println("frozen:", h.Failure)
	fmt.Println("committed:", log.Committed(0), log.Committed(1))
	fixed = true
	fmt.Println("resumed:", p.Resume(h))
	log.Finish() // that was all: Run returns when everything is finished
	fmt.Println("ended:", <-ended)
	fmt.Println("committed:", log.Committed(0), log.Committed(1))
	// Output:
	// frozen: charge: orders[0]@1 failed after 1 attempt: card expired
	// committed: 1 2
	// resumed: <nil>
	// ended: <nil>
	// committed: 3 2
}

// A handler of a batch says which elements failed; the others are done.
func ExamplePartialError() {
	write := func(_ context.Context, rows []string) error {
		bad := map[int]error{}
		for i, r := range rows {
			if r == "" {
				bad[i] = errors.New("empty row")
			}
		}
		if len(bad) > 0 {
			return &stream.PartialError{Errs: bad}
		}
		return nil
	}
	_ = source.Slice("a", "", "c").Batch(3, 0).
		Serial(write).
		SkipOnError(stream.OnMatch(func(_ context.Context, f stream.Failure) { fmt.Println("skipped", f.Meta, f.Err) })).
		Serial(show).
		Run(context.Background())
	// Unordered output:
	// skipped slice[0]@1 empty row
	// [a c]
}
