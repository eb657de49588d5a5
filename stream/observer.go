package stream

import (
	"context"
	"time"
)

// Observer hears what happens, in the manner of httptrace: a nil func costs nothing. The funcs are called in the worker, or in the goroutine
// that saw the event: keep them short, and do not call the pipeline's methods that change it (Resume, Skip) from them.
type Observer struct {
	StepStart func(ctx context.Context, c Call) context.Context // before each attempt; the handler gets the context that it returns
	StepDone  func(ctx context.Context, c Call, err error)      // after each attempt
	Event     func(e Event)
}

// Event is one of the types below.
type Event interface{ event() }

type (
	// Assigned: a partition begins, at Offset.
	Assigned struct {
		TopicPartition
		Offset int64
		Epoch  int32
	}
	// Revoked: a partition was drained, committed and let go. Unfinished is how many records were read and not finished, begun or not: they
	// will be read again.
	Revoked struct {
		TopicPartition
		Epoch      int32
		Committed  int64
		Unfinished int
	}
	// Lost: a partition was taken away; nothing more is committed for it.
	Lost struct {
		TopicPartition
		Epoch int32
		Err   error
	}
	// Committed: the offsets to go on from were stored.
	Committed struct {
		Offsets map[TopicPartition]int64
		Took    time.Duration
	}
	// CommitFailed: a commit was refused, in whole or for one partition; it is tried again unless the pipeline ends.
	CommitFailed struct {
		TopicPartition // empty: all of the request
		Err            error
		Attempt        int
	}
	// Retrying: a failed attempt is followed by another after Wait.
	Retrying struct {
		Failure
		Wait time.Duration
	}
	// Skipped: an element was given up by SkipOnError or Pipeline.Skip.
	Skipped struct{ Failure }
	// DeadLettered: an element was written to a dead-letter sink.
	DeadLettered struct{ Failure }
	// DeadLetterFailed: it could not be; the next policy decides.
	DeadLetterFailed struct {
		Failure
		Cause error
	}
	// Halted: a partition was frozen.
	Halted struct{ Halt }
	// Resumed: a frozen partition goes on.
	Resumed struct{ Halt }
	// Failed: a failure ended the pipeline.
	Failed struct{ Failure }
	// Draining: the pipeline stops; Cause is why.
	Draining struct{ Cause error }
	// Drained: the pipeline has stopped; Err is what Run returns.
	Drained struct{ Err error }
	// OffsetReset: a partition's position was not in the log any more (or there was none) and was set by the configured policy.
	OffsetReset struct {
		TopicPartition
		From, To int64
		Policy   string
	}
	// SourceEvent: something else that a source saw, such as a leader that moved or a broker that does not answer.
	SourceEvent struct {
		TopicPartition
		Name string
		Text string
		Err  error
	}
)

func (Assigned) event()         {}
func (Revoked) event()          {}
func (Lost) event()             {}
func (Committed) event()        {}
func (CommitFailed) event()     {}
func (Retrying) event()         {}
func (Skipped) event()          {}
func (DeadLettered) event()     {}
func (DeadLetterFailed) event() {}
func (Halted) event()           {}
func (Resumed) event()          {}
func (Failed) event()           {}
func (Draining) event()         {}
func (Drained) event()          {}
func (OffsetReset) event()      {}
func (SourceEvent) event()      {}
