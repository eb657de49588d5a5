package stream

import "time"

// Cause is why a partition does not move.
type Cause string

// The causes that Explain finds. As text they are the values of the label cause of the metric
// laneway_blocked_seconds.
const (
	// CauseNone: the partition moves.
	CauseNone Cause = ""
	// CauseHandler: a handler is running, perhaps past its Timeout.
	CauseHandler Cause = "handler"
	// CauseRetry: a failed element waits for its next attempt.
	CauseRetry Cause = "retry"
	// CausePostponed: an element waits without an attempt, such as for a breaker that is open.
	CausePostponed Cause = "postponed"
	// CauseThrottle: an element waits for its turn in a Throttle, or for the pipeline's rate: see
	// SetRate.
	CauseThrottle Cause = "throttle"
	// CauseBatch: an element waits in a Batch for others.
	CauseBatch Cause = "batch"
	// CauseTransform: a Transform holds the element, or does not receive it.
	CauseTransform Cause = "transform"
	// CauseSink: a sink has not returned from Write, or is busy with an earlier one.
	CauseSink Cause = "sink"
	// CauseBackpressure: the queue of the next stage is full.
	CauseBackpressure Cause = "backpressure"
	// CauseWorkers: the element is queued and no worker is free for it. See SetDegree.
	CauseWorkers Cause = "workers"
	// CauseHalt: the partition is halted.
	CauseHalt Cause = "halt"
	// CausePark: the lane of the record, or the record alone, is parked.
	CausePark Cause = "park"
	// CauseCommit: the last commit was refused.
	CauseCommit Cause = "commit"
	// CauseTransaction: a transaction is in progress, or has failed and waits for its next attempt.
	CauseTransaction Cause = "transaction"
	// CauseRestore: the Transactor has not returned where the partition starts.
	CauseRestore Cause = "restore"
	// CauseBudget: MaxInFlight or MaxBytes allows no more records.
	CauseBudget Cause = "budget"
	// CauseResumeState: MaxFinishedAhead, or the size of the resume state, allows no more records.
	CauseResumeState Cause = "resume_state"
	// CauseDrain: the partition drains; no new record is started.
	CauseDrain Cause = "drain"
	// CauseUnreadable: the source cannot read the partition; it has no leader, for example.
	CauseUnreadable Cause = "unreadable"
	// CauseDisconnected: the source cannot reach what it reads from.
	CauseDisconnected Cause = "disconnected"
	// CauseUnassigned: the partition is not assigned to this pipeline.
	CauseUnassigned Cause = "unassigned"
	// CauseIdle: there is nothing to read, and every record has finished.
	CauseIdle Cause = "idle"
	// CausePause: an operator has paused the partition.
	CausePause Cause = "pause"
	// CauseStopped: the pipeline is not running.
	CauseStopped Cause = "stopped"
)

// hold is a wait, or a call that has failed before. It is kept for Explain while it lasts.
type hold struct {
	cause Cause
	step  string
	since time.Time
	until time.Time // when the wait ends by itself; zero: it does not, or that is unknown
	last  Failure   // of the last attempt; without Err: none
	// what an operator has set that makes it wait; empty: nothing
	setting string
	unbegun bool          // no step has begun the element
	tried   time.Time     // start of the attempt in progress; zero: none, or that is unknown
	timeout time.Duration // of that attempt
}

// Holds that elements share. They only have a cause.
var (
	inBackpressure    = &hold{cause: CauseBackpressure}
	beforeItsCommit   = &hold{cause: CauseCommit}
	beforeItIsWritten = &hold{cause: CauseTransaction}
	beforeItsStart    = &hold{cause: CauseThrottle, unbegun: true}
)

// lasts returns a hold that starts now.
func lasts(cause Cause, step string, last Failure, wait time.Duration) *hold {
	h := &hold{cause: cause, step: step, since: time.Now(), last: last}
	if wait > 0 {
		h.until = h.since.Add(wait)
	}
	return h
}
