package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// BuildError is one fault of a chain or of its options. Build returns all of them, joined; match with errors.As.
type BuildError struct {
	Step string // where: the step's name, or the word; empty: the whole pipeline
	What string
	Do   string
}

func (e *BuildError) Error() string {
	var b strings.Builder
	if e.Step != "" {
		fmt.Fprintf(&b, "%s: ", e.Step)
	}
	b.WriteString(e.What)
	if e.Do != "" {
		fmt.Fprintf(&b, ": %s", e.Do)
	}
	return b.String()
}

// checker looks for everything that is wrong with a chain, before anything connects.
type checker struct {
	nodes  []*node
	info   SourceInfo
	faults []error
}

func check(end *node, info SourceInfo, opts *options) error {
	c := &checker{nodes: end.chain(), info: info, faults: slices.Clone(opts.faults)}
	c.faults = append(c.faults, info.Faults...)
	for _, o := range opts.observers {
		if o.Attach == nil && o.Begin == nil && o.StepStart == nil && o.StepDone == nil && o.Event == nil {
			c.say("Observe", "an Observer has no func", "set Attach, Begin, StepStart, StepDone or Event")
		}
	}
	for i, n := range c.nodes {
		c.node(n)
		c.names(i, n)
	}
	c.policies()
	c.grouping()
	c.commits()
	c.transacts()
	c.sinks()
	return errors.Join(c.faults...)
}

func (c *checker) say(step, what, do string) {
	c.faults = append(c.faults, &BuildError{step, what, do})
}

func (n *node) label() string {
	switch {
	case n.opts.named && n.opts.name != "":
		return n.opts.name
	case n.name != "":
		return n.word + "(" + n.name + ")"
	}
	return n.word
}

// node checks a word alone.
func (c *checker) node(n *node) {
	l := n.label()
	if n.nilFunc {
		switch n.kind {
		case kindTo:
			c.say(l, "the sink is nil", "pass a Sink")
		case kindTransact:
			c.say(l, "the transactor is nil", "pass a Transactor")
		default:
			c.say(l, "the func is nil", "pass a function")
		}
	}
	switch n.kind {
	case kindDegree:
		if n.n < 1 {
			c.say(l, fmt.Sprintf("%d at a time", n.n), "n is at least 1")
		}
	case kindBatch:
		if n.n < 1 {
			c.say(l, fmt.Sprintf("a batch of %d", n.n), "size is at least 1")
		}
	case kindThrottle:
		if n.rate <= 0 || n.n < 1 {
			c.say(l, fmt.Sprintf("%g a second in bursts of %d lets nothing pass", n.rate, n.n), "both are above 0")
		}
	case kindCommit:
		if !n.each && n.n < 1 {
			c.say(l, fmt.Sprintf("every %d records", n.n), "n is at least 1; CommitEach commits as the watermark moves")
		}
	case kindTransact:
		if n.n < 1 {
			c.say(l, fmt.Sprintf("a transaction of %d records", n.n), "size is at least 1")
		}
	}
	if n.wait < 0 {
		c.say(l, fmt.Sprintf("a wait of %v", n.wait), "0 waits for the count alone")
	}
	c.stepOptions(n, l)
}

func (c *checker) stepOptions(n *node, l string) {
	o := n.opts
	if o.hasNil {
		c.say(l, "an option is nil", "leave it out")
	}
	for _, f := range o.refused {
		c.say(l, f.What, f.Do)
	}
	if o.hasTimeout && o.timeout <= 0 {
		c.say(l, fmt.Sprintf("a Timeout of %v ends every attempt at once", o.timeout), "leave it out for none")
	}
	if slices.ContainsFunc(o.use, func(m Middleware) bool { return m == nil }) {
		c.say(l, "Use was given a nil middleware", "pass a function")
	}
	if o.hasMax && n.kind != kindDegree && n.kind != kindTransact {
		c.say(l, "MaxPartitions on a step that sets no degree", "give it to the Serial or Concurrent below, or to CommitWith")
	}
	if o.hasMax && o.maxPartitions < 1 {
		c.say(l, fmt.Sprintf("MaxPartitions(%d)", o.maxPartitions), "n is at least 1")
	}
	if o.keepOrder && (n.kind != kindDegree || n.serial) {
		c.say(l, "KeepOrder on a step that keeps order already", "it is for an ungrouped Concurrent or MapConcurrent")
	}
}

func (c *checker) names(i int, n *node) {
	if !n.opts.named {
		return
	}
	if n.opts.name == "" {
		c.say(n.word, "the name is empty", "leave Named out for the function's name")
		return
	}
	for _, o := range c.nodes[:i] {
		if o.opts.named && o.opts.name == n.opts.name {
			c.say(n.opts.name, "two steps have this name", "names tell steps apart in logs and metrics: give each its own")
		}
	}
}

// policies finds those that no failure can reach.
func (c *checker) policies() {
	reached := map[*policy]bool{}
	for i, n := range c.nodes {
		if !n.isStep() {
			continue
		}
		for _, p := range governing(c.nodes[i+1:]) {
			if p.kind != retryPolicy || n.kind != kindTransform {
				reached[p] = true
			}
		}
	}
	for _, n := range c.nodes {
		p := n.policy
		if p == nil {
			continue
		}
		for _, f := range p.faults {
			c.say(p.word, f, "pass a function, or leave the option out")
		}
		if p.kind == deadLetterPolicy && p.sink == nil {
			c.say(p.word, "the sink is nil", "pass a Sink[Failure]")
		}
		if p.kind == retryPolicy && p.retry.MaxAttempts < 0 {
			c.say(p.word, fmt.Sprintf("MaxAttempts is %d", p.retry.MaxAttempts), "0 means 3; 1 never tries again")
		}
		if !reached[p] {
			c.say(p.word, "no failure can reach this policy",
				"it governs the steps above it that no unconditional Skip, DeadLetter, Halt or Fail stands between; a Transform cannot be retried")
		}
	}
}

// grouping follows the order that is left at each word.
func (c *checker) grouping() {
	var cur grouping
	var lostBy *node // unordered work that nobody has said Ungroup to
	var batched *node
	for _, n := range c.nodes {
		switch n.kind {
		case kindDegree:
			if n.opts.keepOrder && cur != ungrouped {
				c.say(n.label(), "KeepOrder on a grouped step", "order is kept within the group already; leave it out")
			}
			if cur == ungrouped && !n.serial && !n.opts.keepOrder {
				lostBy = n
			}
		case kindBatch:
			batched = n
		case kindMap, kindFlatMap:
		case kindGroup:
			c.group(n, cur, lostBy, batched)
			cur = n.group
			lostBy = nil
		}
	}
}

func (c *checker) group(n *node, cur grouping, lostBy, batched *node) {
	if n.group == ungrouped {
		return
	}
	if lostBy != nil {
		c.say(n.label(), fmt.Sprintf("%s above works without order, so there is none left to keep", lostBy.label()),
			"group above it, give it KeepOrder, or say Ungroup in between to accept that")
	}
	if cur == byFunc || cur == byKey && n.group != byKey {
		c.say(n.label(), fmt.Sprintf("above it order is kept %v only, which is not enough", cur),
			"put the coarser grouping first, or say Ungroup in between to accept that")
	}
	if batched != nil && n.group == byKey {
		c.say(n.label(), "a batch from above has no one key", "group above the Batch, or use GroupBy with a key of the batch")
	}
}
