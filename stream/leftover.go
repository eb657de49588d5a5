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

// leftovers is what a drain did not finish or commit. The run's own are those of its last drain.
type leftovers struct {
	unfinished  []string // the first of them
	n           int      // how many there are
	uncommitted []string // finished: so many of a partition, and why
	advice      string   // what would have given the drain more time
}

const leftoversNamed = 8

// add names something that is unfinished.
func (l *leftovers) add(what string) {
	if l.n++; len(l.unfinished) < leftoversNamed {
		l.unfinished = append(l.unfinished, what)
	}
}

// merge adds those of a part of the drain.
func (l *leftovers) merge(o leftovers) {
	l.n += o.n
	l.unfinished = append(l.unfinished, o.unfinished[:min(len(o.unfinished), leftoversNamed-len(l.unfinished))]...)
	l.uncommitted = append(l.uncommitted, o.uncommitted...)
	if o.n > 0 {
		l.advice = o.advice
	}
}

// err names them and says what to do; nil: nothing is left.
func (l *leftovers) err() error {
	var says []string
	if l.n > 0 {
		more := ""
		if l.n > len(l.unfinished) {
			more = fmt.Sprintf(" and %d more", l.n-len(l.unfinished))
		}
		says = append(says, fmt.Sprintf("unfinished and uncommitted: %s%s; %s, or handlers that heed their context, would finish them",
			strings.Join(l.unfinished, "; "), more, l.advice))
	}
	if len(l.uncommitted) > 0 {
		says = append(says, "finished and not committed, so that they will be processed again: "+strings.Join(l.uncommitted, "; "))
	}
	if len(says) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDrain, strings.Join(says, "; "))
}

// longer is what would give a drain that begins now more time: ctx is the source's, which may bound
// it.
func (r *run) longer(ctx context.Context) string {
	if d, ok := ctx.Deadline(); ok && d.Before(r.drainEnd()) {
		return fmt.Sprintf("a longer RebalanceTimeout, which left this drain %v", max(0, time.Until(d)).Round(time.Millisecond))
	}
	return fmt.Sprintf("a longer DrainTimeout than %v", r.opts.drain)
}

// note remembers what the last drain left unfinished.
func (r *run) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left.add(what)
	r.left.advice = cmp.Or(r.left.advice, r.longer(context.Background()))
}

// tellLeft tells what a drain of partitions has left: at once, or at the end of Run if that is its
// last drain.
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

// uncommitted is how many finished records of the partition could be committed and are not.
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

// uncommittedText names so many finished records of a partition, and why they are not committed.
func (p *part) uncommittedText(n int64, why error) string {
	return fmt.Sprintf("%s of %v (%v)", counted(int(n), "record"), p.tp, why)
}

// noteLost remembers what a lost partition had finished and not committed: for the last drain, or
// for the case that the outage that it was lost in lasts until then.
func (r *run) noteLost(p *part, n int64, err error) {
	if gone := new(TopicGoneError); n == 0 || errors.As(err, &gone) {
		return
	}
	text := p.uncommittedText(n, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase() >= finishing {
		r.left.uncommitted = append(r.left.uncommitted, text)
	} else {
		r.lost[p.tp] = text
	}
}

// inTouch is called when the source has heard of its group.
func (r *run) inTouch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.lost)
}

// leftBehind is the error that names what the last drain has left; nil: nothing.
func (r *run) leftBehind() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.health != nil {
		r.left.uncommitted = slices.AppendSeq(r.left.uncommitted, maps.Values(r.lost))
	}
	slices.Sort(r.left.uncommitted)
	return r.left.err()
}
