package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/absent"
)

const passFunc = "pass a function, or leave the option out"

// PolicyOption tunes a failure policy: When narrows it, OnMatch watches it, ResumeAfter ends its
// halts.
type PolicyOption interface{ policy(*policy) }

type policyOption func(*policy)

func (o policyOption) policy(p *policy) { o(p) }

// When limits a policy to the errors for which match returns true. Other errors go to the next
// policy. A panic of match is joined to the failure, which goes to the next policy.
func When(match func(error) bool) PolicyOption {
	return policyOption(func(p *policy) {
		if match == nil {
			p.faults = append(p.faults, policyFault{faultNil, "When was given a nil func", passFunc})
		}
		p.when = match
	})
}

// OnMatch calls f for each failure that the policy takes, before the policy acts. For a batch it
// calls f once per record. f runs in the worker, so keep it short. A panic of f ends the pipeline.
func OnMatch(f func(context.Context, Failure)) PolicyOption {
	return policyOption(func(p *policy) {
		if f == nil {
			p.faults = append(p.faults, policyFault{faultNil, "OnMatch was given a nil func", passFunc})
			return
		}
		p.watch = append(p.watch, f)
	})
}

// ResumeAfter makes the halts of a HaltOnError or ParkOnError end by themselves: the record is
// retried after d. If it fails again, the wait doubles, up to 15 minutes (or d, if that is longer).
// Each wait is up to a tenth longer, so that partitions do not all resume at the same moment. The
// wait is d again after the record has finished, and after the partition is assigned again.
//
// Resume and Skip still act at once. Halt.ResumeAt is the time of the next attempt;
// Resumed.ByItself marks a halt that ended without a call. Once the source is exhausted, Run waits
// for such halts, and for no others.
func ResumeAfter(d time.Duration) PolicyOption {
	return policyOption(func(p *policy) {
		if d <= 0 {
			p.faults = append(p.faults, policyFault{faultRange, fmt.Sprintf("ResumeAfter(%v) would not halt", d), "pass the time to wait before the record is retried"})
		}
		p.resumes, p.resumeAfter = true, d
	})
}

// RetryOnError runs a failed step again, on the same input; steps above it do not run again. The
// element keeps its lane, so order holds. A wait holds no worker (see MaxWaiting). Errors marked
// Permanent are not retried. If the attempts are used up, or the error does not match When, the
// next policy below decides. Attempts are counted once for all retries of a step; Build refuses a
// second one without a When above it.
//
// Below GroupByKey, a key that has failed for a second does not stop its partition, however long
// it takes. If it holds more than a 64th of MaxInFlight, its later records are dropped from memory,
// and read again once the record has succeeded: see Rereader. Records that a step has worked on
// stay. Postponed ones do not count as failing: see Postpone.
//
// A drain ends waits, and the record stays uncommitted. One exception: where a resume state is
// stored (see Describe), an element that has finished an earlier step gets one more attempt at
// once.
func (s Stream[T]) RetryOnError(p RetryPolicy, opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: retryPolicy, word: "RetryOnError", retry: p}, opts)
}

// SkipOnError gives up a failed element: it counts as finished and is committed, and the elements
// behind it follow.
func (s Stream[T]) SkipOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: skipPolicy, word: "SkipOnError"}, opts)
}

// DeadLetterOnError writes a failed element to a sink. The element is finished once the sink has
// stored it, and holds its lane until then, but no worker (see MaxWaiting). A batch is written as
// one failure per record. If the write fails, the policy directly below decides; without one the
// pipeline fails.
func (s Stream[T]) DeadLetterOnError(to Sink[Failure], opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: deadLetterPolicy, word: "DeadLetterOnError", sink: absent.Or(to)}, opts)
}

// HaltOnError halts the partition of a failed element; other partitions continue at full speed. No
// offset past the failed record is committed. Pipeline.Halts lists halts and their causes. Resume
// retries the record, Skip gives it up, SkipRange gives up records of a batch, and ResumeAfter
// retries it after a while. A restart or a rebalance retries it too, unless this build has already
// tried it: see BuildID.
func (s Stream[T]) HaltOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: haltPolicy, word: "HaltOnError"}, opts)
}

// ParkOnError parks the lane of a failed element: where the stream is grouped by key, the records
// with its key; where it has no order, the record alone. Later records of the lane wait behind it,
// in order. All others continue at full speed, and the resume state remembers what they finish. No
// offset past the parked record is committed.
//
// Where one lane has the whole partition (GroupByPartition, Serial), ParkOnError is HaltOnError.
// Build refuses ParkOnError below GroupBy(f), with KeepOrder, above CommitWith, below CommitBefore,
// and where no resume state can be stored.
//
// Pipeline.Halts lists parked lanes beside halted partitions; Halt.Scope tells them apart. Resume
// retries the lane from the parked record on, through all steps. Skip gives that record up, and
// ResumeAfter retries it after a while. A restart or a rebalance retries it too, unless this build
// has already tried it: see BuildID.
//
// Waiting records count for MaxInFlight and MaxBytes. All parked lanes together keep an eighth of
// these in memory, if the source is a Rereader: Kafka is. A lane that receives more is set aside:
// its later records are dropped from memory, whatever their number, and read again after the park,
// in order, before newer ones. Retention limits how long that may take. If the source is no
// Rereader, if single records are parked, or if the resume state is full, waiting records stay in
// memory. Once they fill the limits, their partition is no longer read, and Explain says so.
func (s Stream[T]) ParkOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: parkPolicy, word: "ParkOnError"}, opts)
}

// FailOnError ends the pipeline. It drains, commits what is finished, and Run returns a *StepError.
func (s Stream[T]) FailOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: failPolicy, word: "FailOnError"}, opts)
}

func (s Stream[T]) policy(p *policy, opts []PolicyOption) Stream[T] {
	for _, o := range opts {
		if o == nil {
			p.faults = append(p.faults, policyFault{faultNil, "an option is nil", passFunc})
			continue
		}
		o.policy(p)
	}
	n := &node{word: p.word, policy: p, op: policyOp{p}}
	if p.sink != nil {
		n.sinks = []any{p.sink}
	}
	return then[T, T](s, n)
}

type policyOp struct{ *policy }

func (policyOp) does() effect          { return plans }
func (policyOp) place(*planner, *node) {}
func (policyOp) detail() []string      { return nil }
func (o policyOp) inline() bool        { return o.kind != retryPolicy && o.kind != deadLetterPolicy }

func (o policyOp) check(c *checker, n *node) {
	for _, f := range o.faults {
		c.say(f.code, o.word, f.what, f.do)
	}
	if o.resumes && o.kind != haltPolicy && o.kind != parkPolicy {
		c.say(faultOption, o.word, "ResumeAfter on a policy that does not halt", "give it to HaltOnError or ParkOnError")
	}
	if o.kind == deadLetterPolicy && o.sink == nil {
		c.say(faultNil, o.word, "the sink is nil", "pass a Sink[Failure]")
	}
	for _, f := range o.retry.faults() {
		c.say(f.code, o.word, f.what, f.do)
	}
	if (o.kind == haltPolicy || o.kind == parkPolicy) && c.commit != nil && c.commit.commit.above {
		c.say(faultHalt, o.word, "below a commit there is no record left to halt at", "put it above "+c.commit.word)
	}
	if o.kind == parkPolicy {
		c.parks(o.word)
	}
}
