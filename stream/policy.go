package stream

import (
	"context"
	"fmt"
	"time"
)

const passFunc = "pass a function, or leave the option out"

// PolicyOption narrows a policy, watches it, or says how long it acts: When, OnMatch, ResumeAfter.
type PolicyOption interface{ policy(*policy) }

type policyOption func(*policy)

func (o policyOption) policy(p *policy) { o(p) }

// When makes a policy take only the errors that match; others go on to the next policy.
func When(match func(error) bool) PolicyOption {
	return policyOption(func(p *policy) {
		if match == nil {
			p.faults = append(p.faults, policyFault{"When was given a nil func", passFunc})
		}
		p.when = match
	})
}

// OnMatch calls f for each failure that the policy takes, before it acts; for a batch, once per
// element. f runs in the worker: keep it short.
func OnMatch(f func(context.Context, Failure)) PolicyOption {
	return policyOption(func(p *policy) {
		if f == nil {
			p.faults = append(p.faults, policyFault{"OnMatch was given a nil func", passFunc})
			return
		}
		p.watch = append(p.watch, f)
	})
}

// ResumeAfter has a HaltOnError end its halts by itself: the record is tried again after d, and
// where it halts its partition again after twice that, doubling up to 15 minutes (or d, if that
// is longer). Each wait is up to a tenth longer, so that not all partitions come back at once.
// The next wait is d again once the record is done, and when the partition is assigned anew.
// Resume and Skip act at once, as ever. Halt.ResumeAt says when the record will be tried;
// Resumed.ByItself says that nobody asked. A halt that is there when the source has ended is not
// waited for.
func ResumeAfter(d time.Duration) PolicyOption {
	return policyOption(func(p *policy) {
		if d <= 0 {
			p.faults = append(p.faults, policyFault{fmt.Sprintf("ResumeAfter(%v) would not halt", d), "give it the time until the record is tried again"})
		}
		p.resumes, p.resumeAfter = true, d
	})
}

// RetryOnError runs a failed step again, that step alone, on its own input. The element keeps its
// lane meanwhile, so order holds; the wait holds no worker (see MaxWaiting). Errors marked
// Permanent are not tried again. When the attempts are used up, or the error does not match When,
// the next policy below decides. A drain gives waiting retries up: the record stays uncommitted.
func (s Stream[T]) RetryOnError(p RetryPolicy, opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: retryPolicy, word: "RetryOnError", retry: p}, opts)
}

// SkipOnError gives a failed element up: it counts as done and is committed, and the ones behind it
// go on.
func (s Stream[T]) SkipOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: skipPolicy, word: "SkipOnError"}, opts)
}

// DeadLetterOnError writes a failed element to a sink; it is done when the sink has it durably, and
// its lane waits until then. A write that fails leaves the element to the policy directly below;
// with none, the pipeline fails. A batch is written element by element.
func (s Stream[T]) DeadLetterOnError(to Sink[Failure], opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: deadLetterPolicy, word: "DeadLetterOnError", sink: to}, opts)
}

// HaltOnError freezes the partition of a failed element; the other partitions go on at full speed.
// Nothing past the failed record is committed. Pipeline.Halts tells what is frozen and why, Resume
// tries the record again, Skip gives it up (SkipRange those that you name, where it is a batch's);
// a restart or a rebalance tries it again, and ResumeAfter does so after a while.
func (s Stream[T]) HaltOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: haltPolicy, word: "HaltOnError"}, opts)
}

// FailOnError ends the pipeline: it drains, commits what is finished, and Run returns a *StepError.
func (s Stream[T]) FailOnError(opts ...PolicyOption) Stream[T] {
	return s.policy(&policy{kind: failPolicy, word: "FailOnError"}, opts)
}

func (s Stream[T]) policy(p *policy, opts []PolicyOption) Stream[T] {
	for _, o := range opts {
		if o == nil {
			p.faults = append(p.faults, policyFault{"an option is nil", passFunc})
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

func (policyOp) does() effect       { return plans }
func (policyOp) cut(*cutter, *node) {}
func (policyOp) detail() []string   { return nil }

func (o policyOp) check(c *checker, n *node) {
	for _, f := range o.faults {
		c.say(o.word, f.what, f.do)
	}
	if o.resumes && o.kind != haltPolicy {
		c.say(o.word, "ResumeAfter ends halts, and this is none", "give it to HaltOnError")
	}
	if o.kind == deadLetterPolicy && o.sink == nil {
		c.say(o.word, "the sink is nil", "pass a Sink[Failure]")
	}
	for _, f := range o.retry.faults() {
		c.say(o.word, f.what, f.do)
	}
	if o.kind == haltPolicy && c.commit != nil && c.commit.commit.above {
		c.say(o.word, "below a commit there is no record left to freeze", "put it above "+c.commit.word)
	}
}
