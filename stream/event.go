package stream

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// Event is one of the types below. Observer.Event receives them.
type Event interface{ event() }

type (
	// Assigned: an assignment of a partition starts at Offset. If a Transactor has stored another
	// offset, the SourceEvent "offset restored" names that one.
	Assigned struct {
		TopicPartition
		Offset int64
		Epoch  int32
		// number of offsets above Offset that earlier assignments finished
		FinishedAhead int64
	}
	// Revoked: a partition was drained, committed and released. Unfinished counts the records that
	// were read and not finished, started or not. They will be redelivered.
	Revoked struct {
		TopicPartition
		Epoch      int32
		Committed  int64
		Unfinished int
		Totals     Totals
	}
	// DrainIncomplete: a revoke ended before all started records were finished and committed. Err
	// names those left, which are reprocessed, and matches ErrDrain. When Run ends, its error
	// reports them instead of this event.
	DrainIncomplete struct {
		Partitions []TopicPartition
		Err        error
	}
	// Lost: a partition was taken away. Nothing more is committed for it. If it comes back at once,
	// its next Assigned, which has a higher Epoch, may be told first.
	Lost struct {
		TopicPartition
		Epoch  int32
		Err    error
		Totals Totals
	}
	// Rebalanced: the group finished a rebalance that includes this member. The changes follow as
	// Assigned, Revoked and Lost.
	Rebalanced struct{ Text string }
	// Committed: offsets were stored; the next assignment starts there.
	Committed struct {
		Offsets  map[TopicPartition]int64
		Duration time.Duration
	}
	// CommitFailed: a commit failed, in whole or for one partition. It is retried unless the
	// pipeline ends.
	CommitFailed struct {
		TopicPartition // without a topic: the whole request
		Err            error
		Attempt        int
	}
	// AttemptFailed: a step failed on an element. What the policies do follows. For a batch, the
	// event holds its first failure, as in Retrying.
	AttemptFailed struct{ Failure }
	// Overrunning: a handler, a Write, a Commit or a Restore is still running a second or two
	// after its Timeout. It ignores its context, and keeps its worker and its lane. Sent once per
	// attempt, while it runs. Duration is its running time so far, Attempts counts this attempt,
	// Record and Value are not set. AttemptFailed follows if it returns.
	Overrunning struct{ Failure }
	// Retrying: another attempt follows after Wait.
	Retrying struct {
		Failure
		Wait time.Duration
	}
	// Postponed: a step made no attempt, and the element waits for the next one: see Postpone.
	// Attempts counts the attempt that was not made.
	Postponed struct{ Failure }
	// Skipped: SkipOnError or Pipeline.Skip gave up an element.
	Skipped struct{ Failure }
	// DeadLettered: an element was written to a dead-letter sink.
	DeadLettered struct{ Failure }
	// DeadLetterFailed: the write to the dead-letter sink failed with Cause. The next policy
	// decides.
	DeadLetterFailed struct {
		Failure
		Cause error
	}
	// Halted: a partition was halted. ResumeAt says when the halt ends by itself; zero: it does
	// not.
	Halted struct{ Halt }
	// Paused: an operator stopped the reading of a partition, or parked a key: see Pipeline.Pause
	// and Pipeline.Park. Resumed follows.
	Paused struct{ Halt }
	// Resumed: the halt of a partition has ended.
	Resumed struct {
		Halt
		ByItself bool // without a call of Resume or Skip: see ResumeAfter
	}
	// Failed: a failure ended the pipeline.
	Failed struct{ Failure }
	// Draining: the pipeline starts to drain because of Cause.
	Draining struct{ Cause error }
	// Drained: the pipeline has ended. Run returns Err.
	Drained struct{ Err error }
	// OffsetReset: a partition had no position, or one that is no longer in the log. The configured
	// policy set a new one.
	OffsetReset struct {
		TopicPartition
		From, To int64
		Policy   string
	}
	// TopicRecreated: a partition's topic was deleted and recreated. Offset, which was stored or
	// reached under the Old id, is discarded. The new topic is read from where the source starts.
	TopicRecreated struct {
		TopicPartition
		Offset   int64
		Old, New TopicID
	}
	// StepEvent: something else that happened in a step, such as a breaker that opened: see Tell.
	StepEvent struct {
		Step string
		Name string
		Text string
		Err  error
	}
	// SinkEvent: something that happened in a sink, such as a broker that throttles it: see
	// EmitterOf.
	SinkEvent struct {
		Sink string
		Name string
		Text string
		Err  error
	}
	// SourceEvent: something else that happened in a source, such as a leader change or a broker
	// that does not answer.
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
func (Paused) event()           {}
func (Resumed) event()          {}
func (Failed) event()           {}
func (Draining) event()         {}
func (Drained) event()          {}
func (OffsetReset) event()      {}
func (TopicRecreated) event()   {}
func (StepEvent) event()        {}
func (SinkEvent) event()        {}
func (SourceEvent) event()      {}

// Totals counts what an assignment has done so far.
type Totals struct {
	Delivered int64 // records from the source
	Bytes     int64 // of their payload
	Finished  int64 // records finished in any way, skipped and dead-lettered ones included
	// finished records that no commit covers yet: they are reprocessed if the partition moves now.
	// 0 without a commit, with CommitWith, and with CommitBefore
	Uncommitted int64
}

// Scope is what a halt has stopped.
type Scope string

const (
	ScopePartition Scope = "partition" // see HaltOnError
	ScopeLane      Scope = "lane"      // the records with the key of the failed one, see ParkOnError
	ScopeRecord    Scope = "record"    // the failed records alone, see ParkOnError
)

// Halt is a halted partition, or a parked lane or record, with the failure that caused it. Pass it
// unchanged to Resume or Skip, which check that it has not ended yet.
type Halt struct {
	Failure
	Scope Scope
	Since time.Time
	Epoch int32
	// when the record is retried automatically; zero: never. See ResumeAfter
	ResumeAt time.Time
	// offset of the last record that may be the cause; Meta.Offset is that of the first. They are
	// equal if one record failed. See Pipeline.SkipRange
	Last int64
	// a Batch joined the records from Meta.Offset to Last into one element, so Skip gives up all of
	// them
	Joined bool
	// the same build halted the partition in an earlier assignment. This assignment has not tried
	// the record, and Failure has no Record. See BuildID
	Restored bool
	// who paused the partition or parked the key; empty: a failure did. See Pipeline.Pause and
	// Pipeline.Park
	By string
	// commits store the halt, so it survives a rebalance and a restart: one by a failure for the
	// same build, one by an operator for every build
	Durable bool
	// records of the parked lane from this offset on are not in memory, and are read again after
	// the park. 0: all are in memory. Only Pipeline.Halts sets it
	AsideFrom int64

	over     chan struct{}  // closed once the halt has ended
	told     bool           // observers have heard of it, so that they may hear of its end
	among    []int64        // offsets of the records that may be the cause, in order
	from, to int64          // offsets that a Skip gives up
	builds   []resume.Build // builds that have tried the record
}

func (h Halt) String() string {
	if h.By != "" {
		return h.held()
	}
	which, what, is, skip := h.Meta.String(), "the record", "is", "Skip gives it up"
	span := fmt.Sprintf("%v … @%d", h.Meta, h.Last)
	switch {
	case h.several():
		which, what, is, skip = "one of "+span, "all of them", "are", "SkipRange gives up the ones you name"
	case h.Joined:
		which, what, is, skip = span+", one element,", "all of them", "are", "Skip gives them up"
	}
	verbs := fmt.Sprintf("Resume retries %s, %s", what, skip)
	if !h.ResumeAt.IsZero() {
		verbs = fmt.Sprintf("%s %s retried at %s; Resume does so at once, %s", what, is, h.ResumeAt.Format(time.RFC3339), skip)
	}
	if h.AsideFrom > 0 {
		verbs += fmt.Sprintf("; its records from offset %d on are read again then", h.AsideFrom)
	}
	return fmt.Sprintf("%s since %s: %s; %s", h.subject(), h.Since.Format(time.RFC3339), h.text(which), verbs)
}

// subject says what has been stopped.
func (h Halt) subject() string {
	switch {
	case h.Scope == ScopeLane && len(h.Meta.Key) == 0: // none, or not read since a restart
		return fmt.Sprintf("the lane of %v has been parked", h.Meta)
	case h.Scope == ScopeLane:
		return fmt.Sprintf("key %.40q of %v has been parked", h.Meta.Key, h.Meta.TopicPartition())
	case h.Scope == ScopeRecord:
		return fmt.Sprintf("%v has been parked", h.Meta)
	}
	return fmt.Sprintf("%v has been halted", h.Meta.TopicPartition())
}

// held describes a pause or a park by hand for a person.
func (h Halt) held() string {
	what, is, ends := fmt.Sprintf("%v has been paused", h.Meta.TopicPartition()), fmt.Sprintf("it is read up to %d", h.Meta.Offset), "Resume continues reading"
	if h.Scope == ScopeLane {
		what, is, ends = h.subject(), "its records wait, all others continue", "Resume lets them continue"
	}
	if !h.ResumeAt.IsZero() {
		ends = fmt.Sprintf("it ends at %s, or with Resume", h.ResumeAt.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s by %s since %s: %s; %s", what, h.By, h.Since.Format(time.RFC3339), is, ends)
}

// same reports whether both are the same halt of a partition, even if one of them was decoded.
func (h Halt) same(o Halt) bool {
	return cmp.Or(h.Scope, ScopePartition) == cmp.Or(o.Scope, ScopePartition) && h.Meta.Offset == o.Meta.Offset && h.By == o.By &&
		(h.By == "" || bytes.Equal(h.Meta.Key, o.Meta.Key)) // operators may park several keys at one offset
}

// several reports whether any of several records may have caused the failure.
func (h Halt) several() bool { return h.Last > h.Meta.Offset && !h.Joined }

// Trouble is an assigned partition that cannot be read: it has no leader, no offset to start from,
// or no permission. It waits, while the others are read. Snapshot and /readyz list troubles.
type Trouble struct {
	TopicPartition           // Partition -1: the whole topic
	Since          time.Time // when the source reported it
	Err            error
}

func (t Trouble) String() string {
	where := t.TopicPartition.String()
	if t.Partition < 0 {
		where = strings.TrimSuffix(where, "[-1]")
	}
	return fmt.Sprintf("%s has not been readable since %s: %v", where, t.Since.Format(time.RFC3339), t.Err)
}
