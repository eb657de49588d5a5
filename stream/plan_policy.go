package stream

import (
	"context"
	"fmt"
	"time"
)

// A policy says what a failure above it leads to. Each step is governed by the policies below it,
// read downward as escalation, up to the first unconditional Skip, DeadLetter, Park, Halt or
// Fail. Without one that takes a failure, the pipeline fails.

type policyKind uint8

const (
	retryPolicy policyKind = iota
	skipPolicy
	deadLetterPolicy
	haltPolicy
	parkPolicy
	failPolicy
)

type policy struct {
	kind   policyKind
	word   string
	when   func(error) bool
	watch  []func(context.Context, Failure)
	retry  RetryPolicy
	sink   Sink[Failure]
	faults []policyFault

	resumes     bool // a halt ends by itself: see ResumeAfter
	resumeAfter time.Duration
}

// policyFault is what is wrong with an option of a policy, and the fix.
type policyFault struct{ code, what, do string }

func (p *policy) parks() bool { return p.kind == parkPolicy }

// ends reports whether the policy takes every failure. A dead-letter write does not, as it can fail
// itself.
func (p *policy) ends() bool {
	return p.kind != retryPolicy && p.kind != deadLetterPolicy && p.when == nil
}

// doubles reports whether p, a retry, has no use below another retry of every failure: it never
// acts, or says nothing that the other could not say. A p with a When gives its failures more
// attempts.
func (p *policy) doubles(above *policy) bool {
	return above.kind == retryPolicy && above.when == nil && (p.when == nil || above.retry.lasts(p.retry))
}

// text is what Describe prints of a policy.
func (p *policy) text() string {
	s := map[policyKind]string{skipPolicy: "skip", deadLetterPolicy: "dead letter", haltPolicy: "halt the partition", parkPolicy: "park its lane", failPolicy: "fail the pipeline"}[p.kind]
	if p.kind == retryPolicy {
		s = p.retry.text()
	}
	if p.resumes {
		s += fmt.Sprintf(", resume it after %v", p.resumeAfter)
	}
	if p.when != nil {
		s += " (when it matches)"
	}
	return s
}
