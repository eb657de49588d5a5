package stream

import (
	"context"
	"time"
)

// Observer hears what happens, in the manner of httptrace: a nil func costs nothing. The funcs are called in the worker, or in the goroutine
// that saw the event: keep them short, and do not call the pipeline's methods that change it (Resume, Skip) from them.
type Observer struct {
	// Attach is called by Build. The Observer that it returns is the pipeline's instead of this one; an error is a reason not to build.
	Attach func(p *Pipeline) (Observer, error)
	// Begin is called before a source record's first step, and again when the record is worked on again after a halt. Contexts of the record's handlers
	// have the values of the context that it returns, which must be ctx or made of it, until the record is at rest. false: this observer's StepStart and
	// StepDone hear nothing of the record, but where it is in a batch; an observer that looks at few records costs little for the others. OnRest tells
	// when the record is through.
	Begin     func(ctx context.Context) (c context.Context, hear bool)
	StepStart func(ctx context.Context, c Call) context.Context // before each attempt; the handler gets the context that it returns
	StepDone  func(ctx context.Context, c Call, err error)      // after each attempt
	Event     func(e Event)
	// Timed has every Failure say how long its attempt took, also where no StepStart or StepDone hears of it. Costs a reading of the clock per attempt.
	Timed bool
}

// Event is one of the types below.
type Event interface{ event() }

type (
	// Assigned: a partition begins, at Offset. Where a Transactor has stored another offset, a
	// SourceEvent "offset restored" names that one.
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
		Totals     Totals
	}
	// Lost: a partition was taken away; nothing more is committed for it.
	Lost struct {
		TopicPartition
		Epoch  int32
		Err    error
		Totals Totals
	}
	// Rebalanced: the source's group has shared its partitions out anew, this member being one of it. What changed follows as Assigned, Revoked and Lost.
	Rebalanced struct{ Text string }
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
	// AttemptFailed: a step has failed on an element; what the policies make of it follows. A batch that failed tells its first failure, as Retrying does.
	AttemptFailed struct{ Failure }
	// Overrunning: a handler still runs a second or two after its Timeout has passed: it does not heed
	// its context, and keeps its worker and its lane. Told once, while it runs. Took is how long it has
	// run, Attempts counts this one, Record and Value are not set. AttemptFailed follows if it ends.
	Overrunning struct{ Failure }
	// Retrying: a failed attempt is followed by another after Wait.
	Retrying struct {
		Failure
		Wait time.Duration
	}
	// Postponed: what a step did was no attempt, and the element waits for the next: see Postpone.
	// Attempts counts the one that was not made.
	Postponed struct{ Failure }
	// Skipped: an element was given up by SkipOnError or Pipeline.Skip.
	Skipped struct{ Failure }
	// DeadLettered: an element was written to a dead-letter sink.
	DeadLettered struct{ Failure }
	// DeadLetterFailed: it could not be; the next policy decides.
	DeadLetterFailed struct {
		Failure
		Cause error
	}
	// Halted: a partition was frozen; ResumeAt says whether, and when, that ends by itself.
	Halted struct{ Halt }
	// Resumed: a frozen partition goes on.
	Resumed struct {
		Halt
		ByItself bool // nobody asked for it: see ResumeAfter
	}
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
	// TopicRecreated: a partition's topic was deleted and made again. Offset, which was stored or
	// reached under the Old id, counts for nothing: the new topic is read from where the source
	// begins.
	TopicRecreated struct {
		TopicPartition
		Offset   int64
		Old, New TopicID
	}
	// StepEvent: something else that a step saw, such as a breaker that opened: see Tell.
	StepEvent struct {
		Step string
		Name string
		Text string
		Err  error
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
func (Rebalanced) event()       {}
func (Committed) event()        {}
func (CommitFailed) event()     {}
func (AttemptFailed) event()    {}
func (Overrunning) event()      {}
func (Retrying) event()         {}
func (Postponed) event()        {}
func (StepEvent) event()        {}
func (Skipped) event()          {}
func (DeadLettered) event()     {}
func (DeadLetterFailed) event() {}
func (Halted) event()           {}
func (Resumed) event()          {}
func (Failed) event()           {}
func (Draining) event()         {}
func (Drained) event()          {}
func (OffsetReset) event()      {}
func (TopicRecreated) event()   {}
func (SourceEvent) event()      {}
