package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/absent"
)

// CommitWith writes results and their source offsets in one transaction: exactly once. n→0; it ends
// the chain. The side effects of the steps above stay at least once.
//
// A result waits until all earlier records of its partition have finished. A transaction holds
// exactly the results of the records in [old watermark, new watermark), in the order of their
// records; records without a result only move the offsets. A transaction starts once size records
// have finished or wait has passed since the first of them (0: by size alone), and on every revoke
// and drain. It holds up to size records per partition, more only if a Batch has made one result of
// them. With size 1 the element that moves the watermark holds its lane until its transaction is
// committed. MaxPartitions(n) lets at most n partitions take part at a time, in turn. Waiting
// results count as in flight (MaxInFlight).
//
// The policies RetryOnError, HaltOnError and FailOnError below it govern a failed transaction;
// without them the pipeline fails. A retry covers the whole transaction and whatever has finished
// since. Timeout bounds each attempt. A partition waits while its Transactor cannot say where to
// start: see Transactor.Restore.
//
// A transaction that has used up its attempts is split in halves until the results that cannot be
// written stand alone, unless its error names an element (*PartialError) or concerns the whole
// (IsWhole). The policy then acts on those records only: records before them are committed, records
// behind them follow after the decision. Partitions are separated first. The results of one record,
// or of one Batch, are never split. Each part gets one attempt, and n results at most 4·log₂ n + 8
// in all; the part that still fails then halts as one. If no part succeeds and all fail alike, no
// record is to blame, and each partition halts as a whole: see Pipeline.SkipRange.
//
// Costs one goroutine, and one per transaction in flight.
func (s Stream[T]) CommitWith(tx Transactor[T], size int, wait time.Duration, opts ...DegreeOption) Stream[T] {
	tx = absent.Or(tx)
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

func (*commitWithOp[T]) does() effect { return works }

func (o *commitWithOp[T]) check(c *checker, n *node) {
	g, ok := any(o.tx).(interface{ CommitsGroup() bool })
	c.commits(n, ok && g.CommitsGroup())
	if c.info.NoCommitWith != "" {
		c.say(faultNowhere, n.label(), c.info.NoCommitWith, "end the chain with CommitEach or CommitEvery for this run")
	}
	if ok && g.CommitsGroup() && merges(n) && len(c.info.Groups) == 0 {
		c.say(faultMerge, n.label(), "its transactions store the offsets of one consumer group, but "+c.info.Name+" are not known to be in one group and cluster",
			"give all sources one Group, and brokers in common, each with an InstanceID of its own; or use a Transactor that stores the offsets itself, such as sink.SQL")
	}
	if o.tx == nil {
		c.say(faultNil, n.label(), "the transactor is nil", "pass a Transactor")
	}
	if o.n < 1 {
		c.say(faultRange, n.label(), fmt.Sprintf("a transaction of %d records", o.n), "size is at least 1")
	}
	c.wait(n, o.wait)
	if n.opts.keepOrder {
		c.say(faultOption, n.label(), "KeepOrder on a word that already keeps order", "leave it out")
	}
	if workBelow(c.below) {
		c.say(faultUncovered, n.label(), "there is work below it that no transaction would hold", "end the chain with "+n.word)
	}
	for _, p := range governing(c.below) {
		if p.kind == skipPolicy || p.kind == deadLetterPolicy {
			c.say(faultGivesUp, p.word, "it would give up finished results and continue without them",
				"RetryOnError, HaltOnError and FailOnError govern "+n.word+"; put "+p.word+" above it")
		}
	}
}

func (o *commitWithOp[T]) place(p *planner, n *node) {
	p.plan.commit = &o.commitPlan
	p.value(n)
}

func (o *commitWithOp[T]) detail() []string {
	return upTo(fmt.Sprintf("up to %s a transaction", counted(o.n, "record")), o.wait)
}

func (o *commitWithOp[T]) keep(*step, *part) any               { return &resultsOf[T]{} }
func (o *commitWithOp[T]) link(_ *worker, st *step, _ any) any { return linkResults[T](st) }
