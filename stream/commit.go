package stream

import (
	"fmt"
	"slices"
	"time"
)

// The commit word states the guarantee. CommitEach and CommitEvery are placed below the work: at
// least once. CommitBefore is placed above it: at most once. CommitWith writes results and offsets
// together: exactly once. Only the watermark is committed, so unordered work is safe. The resume
// state beside it lists the finished records above it, so that they are not processed again.

// CommitEach commits each record as it finishes: at least once. 1→1. An element holds its lane
// until its commit is acknowledged; elements that finish together share a request. A crash
// reprocesses at most the records that had started and not finished. Where the source stores no
// resume state (see Describe), only the element that moves the watermark holds its lane, and a
// crash also reprocesses the finished records above the watermark.
func (s Stream[T]) CommitEach() Stream[T] {
	return then[T, T](s, commitNode("CommitEach", commitPlan{each: true}, nil))
}

// CommitEvery commits once n records have finished, over all partitions, or once wait has passed
// since the first of them: at least once. 1→1. It also commits on every revoke and drain. A
// finished record counts even above the watermark. With wait 0 only n counts, and a topic that
// falls silent would never be committed: Build then requires ByCountOnly, unless n is 1.
//
// A crash reprocesses at most the records that had started and not finished, and those that
// finished since the last commit. Where the source stores no resume state (see Describe), it also
// reprocesses the finished records above the watermark.
func (s Stream[T]) CommitEvery(n int, wait time.Duration, opts ...CommitOption) Stream[T] {
	return then[T, T](s, commitNode("CommitEvery", commitPlan{n: n, wait: wait}, opts))
}

// CommitBefore commits records before the work below it: at most once. 1→1. An element continues
// below it once the broker has acknowledged its record's offset. A commit is requested once n
// records have arrived, or once wait has passed since the first of them, as for CommitEvery. A
// crash loses records that are committed and not finished. A drain finishes them; Run's error names
// those it could not.
func (s Stream[T]) CommitBefore(n int, wait time.Duration, opts ...CommitOption) Stream[T] {
	return then[T, T](s, commitNode("CommitBefore", commitPlan{n: n, wait: wait, above: true}, opts))
}

// CommitOption tunes CommitEvery and CommitBefore: ByCountOnly.
type CommitOption interface{ commit(*commitOp) }

type byCountOnly struct{}

func (byCountOnly) commit(o *commitOp) { o.byCount = true }

// ByCountOnly allows a commit word without a wait. If the topic falls silent, finished records stay
// uncommitted until the drain.
func ByCountOnly() CommitOption { return byCountOnly{} }

type commitOp struct {
	commitPlan
	byCount, nilOption bool
}

func commitNode(word string, c commitPlan, opts []CommitOption) *node {
	o := &commitOp{commitPlan: c}
	for _, opt := range opts {
		if opt == nil {
			o.nilOption = true
			continue
		}
		opt.commit(o)
	}
	return &node{word: word, commit: &o.commitPlan, op: o}
}

func (*commitOp) does() effect     { return plans }
func (*commitOp) detail() []string { return nil }

func (o *commitOp) check(c *checker, n *node) {
	c.commits(n, true)
	if o.nilOption {
		c.say(faultNil, n.word, "an option is nil", "leave it out")
	}
	if !o.each {
		if o.n < 1 {
			c.say(faultRange, n.word, fmt.Sprintf("every %d records", o.n), "n is at least 1; CommitEach commits each record as it finishes")
		}
		c.wait(n, o.wait)
		if o.n > 1 && o.wait == 0 && !o.byCount {
			c.say(faultSilent, n.word, fmt.Sprintf("without a wait, a topic that falls silent before %d records is never committed", o.n),
				"give it a wait, or pass ByCountOnly")
		}
	}
	// a second commit word reports itself
	second := slices.ContainsFunc(c.below, func(b *node) bool { return b.commit != nil })
	switch below := workBelow(c.below); {
	case second:
	case below && !o.above:
		c.say(faultUncovered, n.word, "there is work below it that it does not cover", "put it below the work, or use CommitBefore for at most once")
	case !below && o.above:
		c.say(faultUncovered, n.word, "there is no work below it", "put it above the work, or use CommitEvery for at least once")
	}
}

func (o *commitOp) place(p *planner, n *node) {
	p.plan.commit = &o.commitPlan
	if o.above {
		p.below = true
		p.exit(n)
	}
}
