package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// leftovers is what a drain did not finish or commit. run.left is that of the last drain.
type leftovers struct {
	unfinished  []string // the first leftoversNamed of them
	n           int      // number of unfinished records
	uncommitted []string // finished records, as a count per partition with the reason
	advice      string   // what would give the drain more time
}

const leftoversNamed = 8

// add adds an unfinished record.
func (l *leftovers) add(what string) {
	if l.n++; len(l.unfinished) < leftoversNamed {
		l.unfinished = append(l.unfinished, what)
	}
}

// merge adds the leftovers of some partitions.
func (l *leftovers) merge(o leftovers) {
	l.n += o.n
	l.unfinished = append(l.unfinished, o.unfinished[:min(len(o.unfinished), leftoversNamed-len(l.unfinished))]...)
	l.uncommitted = append(l.uncommitted, o.uncommitted...)
	if o.n > 0 {
		l.advice = o.advice
	}
}

// err returns an error that names the leftovers and says what to do, or nil if there are none.
func (l *leftovers) err() error {
	var says []string
	if l.n > 0 {
		more := ""
		if l.n > len(l.unfinished) {
			more = fmt.Sprintf(" and %d more", l.n-len(l.unfinished))
		}
		says = append(says, fmt.Sprintf("unfinished and uncommitted: %s%s; set %s, or have handlers heed their context",
			strings.Join(l.unfinished, "; "), more, l.advice))
	}
	if len(l.uncommitted) > 0 {
		says = append(says, "finished but not committed, so they will be reprocessed: "+strings.Join(l.uncommitted, "; "))
	}
	if len(says) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDrain, strings.Join(says, "; "))
}

// longer returns which timeout to raise for a drain that starts now: the source's, if the deadline
// of ctx bounds the drain, or DrainTimeout.
func (r *run) longer(ctx context.Context) string {
	if d, ok := ctx.Deadline(); ok && d.Before(r.drainEnd()) {
		return fmt.Sprintf("a longer RebalanceTimeout, which left this drain %v", max(0, time.Until(d)).Round(time.Millisecond))
	}
	return fmt.Sprintf("a longer DrainTimeout than %v", r.opts.drain)
}

// note adds an unfinished record of the last drain.
func (r *run) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left.add(what)
	r.left.advice = cmp.Or(r.left.advice, r.longer(context.Background()))
}

// tellLeft emits the leftovers of a drain of partitions. Those of the last drain are part of Run's
// error instead.
func (r *run) tellLeft(ps []*part, left leftovers) {
	if r.phase() >= finishing {
		r.mu.Lock()
		r.left.merge(left)
		r.mu.Unlock()
		return
	}
	err := left.err()
	if err == nil {
		return
	}
	tps := make([]TopicPartition, len(ps))
	for i, p := range ps {
		tps[i] = p.tp
	}
	r.emit(DrainIncomplete{tps, err})
}

// uncommitted returns how many finished records of the partition are not committed.
func (p *part) uncommitted(c *commitPlan) int64 {
	switch {
	case c == nil:
		return 0
	case c.transact != nil:
		return p.kept.Load()
	}
	records, news := p.committable()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !news {
		return 0
	}
	return max(0, records-p.settled)
}

// uncommittedText describes n uncommitted records of a partition and why they are uncommitted.
func (p *part) uncommittedText(n int64, why error) string {
	return fmt.Sprintf("%s of %v (%v)", counted(int(n), "record"), p.tp, why)
}

// noteLost notes the uncommitted records of a lost partition. In the last drain they are leftovers
// at once. Before it, they become leftovers only if the outage lasts until then: see inTouch.
func (r *run) noteLost(p *part, n int64, err error) {
	if gone := new(TopicGoneError); n == 0 || errors.As(err, &gone) {
		return
	}
	text := p.uncommittedText(n, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase() >= finishing {
		r.left.uncommitted = append(r.left.uncommitted, text)
	} else if r.parts[p.tp] == p { // else it is assigned again
		r.inlets[p.source].lost[p.tp] = text
	}
}

// leftBehind returns an error that names the leftovers of the last drain, or nil if there are none.
func (r *run) leftBehind() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.inlets {
		if in.health != nil {
			r.left.uncommitted = slices.AppendSeq(r.left.uncommitted, maps.Values(in.lost))
		}
	}
	slices.Sort(r.left.uncommitted)
	return r.left.err()
}
