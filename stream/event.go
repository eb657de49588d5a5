package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// Event is one of the types below.
type Event interface{ event() }

type (
	// Assigned: a partition begins, at Offset. Where a Transactor has stored another offset, a
	// SourceEvent "offset restored" names that one.
	Assigned struct {
		TopicPartition
		Offset int64
		Epoch  int32
		// how many offsets above Offset were finished in earlier assignments
		FinishedAhead int64
	}
	// Revoked: a partition was drained, committed and let go. Unfinished is how many records were
	// read and not finished, begun or not: they will be read again.
	Revoked struct {
		TopicPartition
		Epoch      int32
		Committed  int64
		Unfinished int
		Totals     Totals
	}
	// DrainIncomplete: a revoke ended before all that had begun was finished and committed. Err
	// names what was left, which is processed again, and matches ErrDrain. At the end of Run its
	// error says so instead.
	DrainIncomplete struct {
		Partitions []TopicPartition
		Err        error
	}
	// Lost: a partition was taken away; nothing more is committed for it.
	Lost struct {
		TopicPartition
		Epoch  int32
		Err    error
		Totals Totals
	}
	// Rebalanced: the source's group has shared its partitions out anew, this member being one of
	// it. What changed follows as Assigned, Revoked and Lost.
	Rebalanced struct{ Text string }
	// Committed: the offsets to go on from were stored.
	Committed struct {
		Offsets  map[TopicPartition]int64
		Duration time.Duration
	}
	// CommitFailed: a commit was refused, in whole or for one partition; it is tried again unless
	// the pipeline ends.
	CommitFailed struct {
		TopicPartition // empty: all of the request
		Err            error
		Attempt        int
	}
	// AttemptFailed: a step has failed on an element; what the policies make of it follows. A batch
	// that failed tells its first failure, as Retrying does.
	AttemptFailed struct{ Failure }
	// Overrunning: a handler still runs a second or two after its Timeout has passed: it does not
	// heed its context, and keeps its worker and its lane. Told once, while it runs. Duration is
	// how long it has run, Attempts counts this one, Record and Value are not set. AttemptFailed
	// follows if it ends.
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
	// OffsetReset: a partition's position was not in the log any more (or there was none) and was
	// set by the configured policy.
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
	// SinkEvent: something that a sink saw, such as a broker that asks it to wait. See EmitterOf.
	SinkEvent struct {
		Sink string
		Name string
		Text string
		Err  error
	}
	// SourceEvent: something else that a source saw, such as a leader that moved or a broker that
	// does not answer.
	SourceEvent struct {
		TopicPartition
		Name string
		Text string
		Err  error
	}
)

func (Assigned) event()         {}
func (Revoked) event()          {}
func (DrainIncomplete) event()  {}
func (Lost) event()             {}
func (Rebalanced) event()       {}
func (Committed) event()        {}
func (CommitFailed) event()     {}
func (AttemptFailed) event()    {}
func (Overrunning) event()      {}
func (Retrying) event()         {}
func (Postponed) event()        {}
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
func (StepEvent) event()        {}
func (SinkEvent) event()        {}
func (SourceEvent) event()      {}

// Totals is what an assignment has come to so far.
type Totals struct {
	Delivered int64 // records from the source
	Bytes     int64 // of their payload
	Finished  int64 // of the records, whatever became of them
	// finished, and at or above what is committed: they are done again if the partition goes
	// elsewhere now. 0 where nothing commits, a transaction does, or a commit stands above the work
	Uncommitted int64
}

// Halt is a frozen partition: the failure that froze it, and since when. Pass it to Resume or Skip
// as it was read: both check that it is still the one that is there.
type Halt struct {
	Failure
	Since time.Time
	Epoch int32
	// when the record is tried again by itself; zero: when somebody says so. See ResumeAfter
	ResumeAt time.Time
	// the last record that the failure may be of, Meta.Offset being the first; the same where the
	// failure is one record's. See Pipeline.SkipRange
	Last int64
	// the records from Meta.Offset to Last are one element, which a Batch has made of them: Skip
	// gives all of them up
	Joined bool
	// the partition was halted in an earlier assignment, by the same build: this one has not tried
	// the record, and Failure has no Record. See BuildID
	Restored bool

	over     chan struct{}  // closed when its end is over
	among    []int64        // offsets of the records that the failure may be of, in order
	from, to int64          // those that a Skip gives up
	builds   []resume.Build // that have tried it
}

func (h Halt) String() string {
	which, what, is, skip := h.Meta.String(), "the record", "is", "Skip gives it up"
	span := fmt.Sprintf("%v … @%d", h.Meta, h.Last)
	switch {
	case h.several():
		which, what, is, skip = "one of "+span, "all of them", "are", "SkipRange gives up those that you name"
	case h.Joined:
		which, what, is, skip = span+", one element,", "all of them", "are", "Skip gives them up"
	}
	verbs := fmt.Sprintf("Resume tries %s again, %s", what, skip)
	if !h.ResumeAt.IsZero() {
		verbs = fmt.Sprintf("%s %s tried again at %s; Resume does so at once, %s", what, is, h.ResumeAt.Format(time.RFC3339), skip)
	}
	return fmt.Sprintf("%v is halted since %s: %s; %s", h.Meta.TopicPartition(), h.Since.Format(time.RFC3339), h.text(which), verbs)
}

// several reports whether it is not known which record the failure is of.
func (h Halt) several() bool { return h.Last > h.Meta.Offset && !h.Joined }

// Trouble is a partition that cannot be read, though it is this worker's: no leader, no offset to
// start from, no permission. It waits by itself, the others are read. Snapshot lists troubles, and
// /readyz.
type Trouble struct {
	TopicPartition           // Partition -1: the whole topic
	Since          time.Time // when the source told of it
	Err            error
}

func (t Trouble) String() string {
	where := t.TopicPartition.String()
	if t.Partition < 0 {
		where = t.Topic
	}
	return fmt.Sprintf("%s cannot be read since %s: %v", where, t.Since.Format(time.RFC3339), t.Err)
}
