package stream

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// BuildError is one fault of a chain or of its options. Build returns all faults, joined; match
// them with errors.As.
type BuildError struct {
	Step string // the step's name, or the word; empty: the whole pipeline
	What string
	Fix  string
	Code string // of its section in docs/errors.md, such as "LW110"; empty: none
}

func (e *BuildError) Error() string {
	var b strings.Builder
	if e.Step != "" {
		fmt.Fprintf(&b, "%s: ", e.Step)
	}
	b.WriteString(e.What)
	if e.Fix != "" {
		fmt.Fprintf(&b, ": %s", e.Fix)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " [%s]", e.Code)
	}
	return b.String()
}

// checker finds everything that is wrong with a chain before anything connects. It walks the chain
// down from its source and keeps what the words below need to know.
type checker struct {
	info   SourceInfo
	all    []*node          // of the chain
	below  []*node          // still to check
	names  map[string]*node // that users gave
	faults []error

	group   grouping // the order that still holds
	lostBy  *node    // unordered work without an Ungroup since
	batched *node    // the last Batch
	slices  bool     // elements are still the slices of a Batch
	commit  *node
	fork    *node // nil: on the main line
}

// check returns every fault of a chain and of its options.
func check(end *node, info SourceInfo, every stepOptions, known []error) error {
	c := &checker{info: info, all: slices.Collect(end.walk), faults: append(known, info.Faults...), names: map[string]*node{}}
	c.around("", every)
	c.line(end.line(), nil)
	c.unreachable(end)
	if c.commit == nil && info.MustCommit {
		c.say(faultNoCommit, "", "nothing commits, so every start would process everything again",
			"end the chain with CommitEach or CommitEvery (at least once) or CommitWith (exactly once), or put CommitBefore above the work (at most once)")
	}
	for _, s := range sinksOf(c.all) {
		if _, ok := s.(interface{ Close() error }); ok {
			c.say(faultClose, fmt.Sprintf("%T", s), "its Close takes no context, so it would never be called", "change it to Close(ctx context.Context) error")
		}
		if s, ok := s.(Checker); ok {
			if err := guarded(s.Check); err != nil {
				c.faults = append(c.faults, err)
			}
		}
	}
	return errors.Join(c.faults...)
}

// line checks the words of a line, from the first one down. below are those that follow it, below a
// Merge.
func (c *checker) line(nodes, below []*node) {
	way := slices.Concat(nodes, below)
	if nodes[0].merged() != nil {
		c.merge(nodes[0], way)
	}
	for i, n := range nodes {
		c.below = way[i+1:]
		c.node(n)
		if c.fork != nil && n.commit != nil {
			c.say(faultBranch, n.label(), "a commit in the branch of "+c.fork.label(), "commit once, on the main line: the commit waits for every branch")
			continue
		}
		n.op.check(c, n)
	}
}

// merge checks the chains above a Merge. What they have in common holds below it.
func (c *checker) merge(n *node, below []*node) {
	for i, end := range n.merged() {
		one := *c
		one.group, one.lostBy, one.batched, one.slices, one.commit = ungrouped, nil, nil, false, nil
		one.line(end.line(), below)
		c.faults = one.faults
		if one.commit != nil {
			c.say(faultMerge, one.commit.word, "it is above a Merge", "put it below the Merge, where it covers all sources")
		}
		if i > 0 && one.group != c.group {
			c.say(faultMerge, n.word, fmt.Sprintf("it would merge chains that keep order %v and %v", c.group, one.group), "group below the Merge")
		}
		c.group, c.slices = one.group, one.slices
		c.lostBy, c.batched = cmp.Or(c.lostBy, one.lostBy), cmp.Or(c.batched, one.batched)
	}
}

func (c *checker) say(code, step, what, do string) {
	c.faults = append(c.faults, &BuildError{step, what, do, code})
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

// node checks what any word can have wrong.
func (c *checker) node(n *node) {
	l, o := n.label(), n.opts
	if n.nilFunc {
		c.say(faultNil, l, "the func is nil", "pass a function")
	}
	if o.hasNil {
		c.say(faultNil, l, "an option is nil", "leave it out")
	}
	for _, f := range o.refused {
		c.say(f.Code, l, f.What, f.Fix)
	}
	c.around(l, o)
	if o.hasMax && o.maxPartitions < 1 {
		c.say(faultRange, l, fmt.Sprintf("MaxPartitions(%d)", o.maxPartitions), "n is at least 1")
	}
	if (o.hasTimeout || len(o.use) > 0) && !retriable(n.op) {
		c.say(faultOption, l, "Timeout and Use only apply to words that call a function per element", "leave them out")
	}
	if _, also := n.op.(interface{ also() }); o.clone != nil && !also {
		c.say(faultOption, l, "Clone on a word that shares no elements", "it is for AlsoTo")
	}
	_, divides := n.op.(interface{ divides() })
	if o.bisect && !(divides && c.slices) {
		c.say(faultOption, l, "Bisect on a step that gets no batches", "put the step directly below the Batch, or leave Bisect out")
	}
	c.name(n)
}

// around checks the timeout and the middleware of a call.
func (c *checker) around(label string, o stepOptions) {
	if o.hasTimeout && o.timeout <= 0 {
		c.say(faultRange, label, fmt.Sprintf("a Timeout of %v ends every attempt at once", o.timeout), "leave it out for none")
	}
	if slices.ContainsFunc(o.use, func(m Middleware) bool { return m == nil }) {
		c.say(faultNil, label, "Use was given a nil middleware", "pass a function")
	}
}

// retriable reports whether a word calls something once per attempt.
func retriable(o op) bool {
	_, streams := o.(interface{ streams() })
	return o.does() >= calls && !streams
}

func (c *checker) name(n *node) {
	if !n.opts.named {
		return
	}
	if n.opts.name == "" {
		c.say(faultName, n.word, "the name is empty", "leave Named out to use the function's name")
		return
	}
	if other := c.names[n.opts.name]; other != nil && other != n {
		c.say(faultName, n.opts.name, "two steps have this name", "give each its own: logs and metrics tell steps apart by name")
	}
	c.names[n.opts.name] = n
}

// wait checks the longest wait of a word.
func (c *checker) wait(n *node, d time.Duration) {
	if d < 0 {
		c.say(faultRange, n.label(), fmt.Sprintf("a wait of %v", d), "use 0 to wait for the count alone")
	}
}

// unreachable reports policies that no failure can reach.
func (c *checker) unreachable(end *node) {
	reached, double := map[*policy]bool{}, map[*policy]bool{}
	end.governed(nil, func(n *node, ps []*policy) {
		for k, p := range ps {
			switch {
			case p.kind != retryPolicy:
				reached[p] = true
			case !retriable(n.op):
			case slices.ContainsFunc(ps[:k], p.doubles):
				double[p] = true
			default:
				reached[p] = true
			}
		}
	})
	for n := range end.walk {
		switch p := n.policy; {
		case p == nil || reached[p]:
		case double[p]:
			c.say(faultTwoRetries, p.word, "the RetryOnError above it retries every failure of the same steps",
				"make one RetryPolicy of the two, whose Wait may let the waits grow; or give the upper one a When")
		default:
			c.say(faultUnreached, p.word, "no failure can reach this policy",
				"it governs the steps above it, up to the next unconditional Skip, DeadLetter, Halt or Fail; a Transform cannot be retried")
		}
	}
}

// commits notes a commit word, and checks that its guarantee can hold.
func (c *checker) commits(n *node, stores bool) {
	if c.commit != nil {
		c.say(faultSecond, n.word, "a second commit", "remove one of them, since a chain has one guarantee")
	}
	if c.info.NoCommit != "" && stores {
		c.say(faultNowhere, n.word, "there is nowhere to commit: "+c.info.NoCommit, "remove the word")
	}
	c.commit = n
}

// sameSink reports whether two sinks are equal. A sink that is used twice in a chain is opened
// once.
func sameSink(a, b any) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
