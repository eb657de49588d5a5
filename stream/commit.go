package stream

import (
	"fmt"
	"slices"
	"time"
)

// The guarantee is a word. CommitEach and CommitEvery stand below the work: at least once.
// CommitBefore stands above it: at most once. CommitWith writes results and offsets together:
// exactly once. The offset that is committed is the watermark, so unordered work is safe. The
// resume state beside it tells which records above have finished: they are not handled again.

// CommitEach commits each record as it finishes. Its element holds its lane until the
// acknowledgement; elements that finish together share a request. After a crash at most what was
// running is handled again. Where the source stores no resume state (see Describe), only the
// element that moves the watermark holds its lane, and what had finished above is handled again,
// too.
func (s Stream[T]) CommitEach() Stream[T] {
	return then[T, T](s, commitNode("CommitEach", commitPlan{each: true}, nil))
}

// CommitEvery commits when n records have finished, over all partitions, or when wait has passed
// since the first of them, and always on revoke and drain. A record counts wherever it finishes,
// above the watermark, too. wait 0 commits by count alone, which would never commit a thin topic:
// Build wants ByCountOnly for that, unless n is 1. After a crash at most what was running and what
// had finished since the last commit is handled again. Where the source stores no resume state (see
// Describe), so is what had finished above the watermark.
func (s Stream[T]) CommitEvery(n int, wait time.Duration, opts ...CommitOption) Stream[T] {
	return then[T, T](s, commitNode("CommitEvery", commitPlan{n: n, wait: wait}, opts))
}

// CommitBefore stands above the work: at most once. An element goes on below it when the broker has
// acknowledged its record, which is asked for when n records have come or wait has passed since the
// first of them, as for CommitEvery. A crash loses what was committed and not finished; a drain
// finishes it, or names it.
func (s Stream[T]) CommitBefore(n int, wait time.Duration, opts ...CommitOption) Stream[T] {
	return then[T, T](s, commitNode("CommitBefore", commitPlan{n: n, wait: wait, above: true}, opts))
}

// CommitOption tunes a commit word: ByCountOnly.
type CommitOption interface{ commit(*commitOp) }

type byCountOnly struct{}

func (byCountOnly) commit(o *commitOp) { o.byCount = true }

// ByCountOnly says that a commit without a wait is meant: what is finished on a topic that falls
// silent stays uncommitted until the drain.
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
		c.say(n.word, "an option is nil", "leave it out")
	}
	if !o.each {
		if o.n < 1 {
			c.say(n.word, fmt.Sprintf("every %d records", o.n), "n is at least 1; CommitEach commits each record as it finishes")
		}
		c.wait(n, o.wait)
		if o.n > 1 && o.wait == 0 && !o.byCount {
			c.say(n.word, fmt.Sprintf("without a wait a topic that falls silent before %d records is never committed", o.n),
				"give it a wait, or say ByCountOnly")
		}
	}
	// which says so itself
	second := slices.ContainsFunc(c.below, func(b *node) bool { return b.commit != nil })
	switch below := workBelow(c.below); {
	case second:
	case below && !o.above:
		c.say(n.word, "work stands below it, which it does not cover", "put it below the work, or say CommitBefore for at most once")
	case !below && o.above:
		c.say(n.word, "no work stands below it", "put it above the work, or say CommitEvery for at least once")
	}
}

func (o *commitOp) cut(c *cutter, n *node) {
	c.plan.commit = &o.commitPlan
	if o.above {
		c.below = true
		c.exit(n)
	}
}
