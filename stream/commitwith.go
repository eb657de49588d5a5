package stream

import (
	"fmt"
	"time"
)

// CommitWith hands results and the offsets that they came from to transactions: exactly once. n→0;
// it ends a chain.
//
// A result is held back until its record lies inside the finished prefix of its partition. A
// transaction then holds exactly the results of the records in [old watermark, new watermark), all
// that became of each, in the order of their records; records that came to nothing move the offsets
// alone. One begins when size records are finished or wait has passed since the first of them (0:
// by size alone), and always on revoke and drain; it holds up to size records of a partition, more
// only where a Batch has made one result of them. Where size is 1, the element that moves the
// watermark holds its lane until its transaction is committed. MaxPartitions(n) lets at most n
// partitions take part at a time, in turn.
//
// A transaction that fails is governed by RetryOnError, HaltOnError and FailOnError below; without
// them the pipeline fails. It is tried as a whole, with whatever has finished meanwhile. Once its
// attempts are used up, and its error neither names an element (*PartialError) nor is the whole's
// (IsWhole), it is made in halves, until what keeps it from being written stands alone: the policy
// acts on that record, what lies before it is committed, and what lies behind it follows once it
// is decided about. Partitions are told apart first; what became of one record, or of a Batch, is
// never cut. Parts get one attempt each, at most 4·log₂ n + 8 in all for n results; then what has
// failed halts as one, and so do several partitions that all fail alike: see Pipeline.SkipRange.
// Timeout bounds each attempt. A partition whose Transactor cannot say where to go on waits: see
// Transactor.Restore. The side effects of the steps above stay at least once.
//
// Results held back count as in flight (MaxInFlight). Costs one goroutine, and one for each
// transaction under way.
func (s Stream[T]) CommitWith(tx Transactor[T], size int, wait time.Duration, opts ...DegreeOption) Stream[T] {
	o := &commitWithOp[T]{tx: tx}
	o.commitPlan = commitPlan{n: size, wait: wait, each: size == 1}
	n := &node{word: "CommitWith", name: sinkName(tx), opts: degreeOpts(opts), commit: &o.commitPlan, op: o}
	if tx != nil {
		n.sinks = []any{tx}
		o.transact = transactorOf[T]{tx}
	}
	return then[T, T](s, n)
}

type commitWithOp[T any] struct {
	commitPlan
	tx Transactor[T]
}

func (*commitWithOp[T]) does() effect { return calls }

func (o *commitWithOp[T]) check(c *checker, n *node) {
	g, ok := any(o.tx).(interface{ CommitsGroup() bool })
	c.commits(n, ok && g.CommitsGroup())
	if o.tx == nil {
		c.say(n.label(), "the transactor is nil", "pass a Transactor")
	}
	if o.n < 1 {
		c.say(n.label(), fmt.Sprintf("a transaction of %d records", o.n), "size is at least 1")
	}
	c.wait(n, o.wait)
	if n.opts.keepOrder {
		c.say(n.label(), "KeepOrder on a word that keeps order already", "leave it out")
	}
	if workBelow(c.below) {
		c.say(n.label(), "work stands below it, which no transaction would hold", "end the chain with "+n.word)
	}
	for _, p := range governing(c.below) {
		if p.kind == skipPolicy || p.kind == deadLetterPolicy {
			c.say(p.word, "it would give up results that are finished, and go on without them",
				"RetryOnError, HaltOnError and FailOnError govern "+n.word+"; put "+p.word+" above it")
		}
	}
}

func (o *commitWithOp[T]) cut(c *cutter, n *node) {
	c.plan.commit = &o.commitPlan
	c.value(n)
}

func (o *commitWithOp[T]) detail() []string {
	return upTo(fmt.Sprintf("up to %s a transaction", counted(o.n, "record")), o.wait)
}

func (o *commitWithOp[T]) keep(*step, *part) any               { return &resultsOf[T]{} }
func (o *commitWithOp[T]) link(_ *worker, st *step, _ any) any { return linkResults[T](st) }
