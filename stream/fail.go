package stream

import (
	"context"
	"errors"
	"iter"
	"time"
)

// verdict is what a policy has decided about a failed element.
type verdict struct {
	again bool
	wait  time.Duration
	f     Failure // for a retry: what is waited for
}

// failed lets the policies decide about an element that failed, waits where a retry is to wait, and
// returns which attempt is next. 0: none, and the element's hold has been given back.
func (st *step) failed(w *worker, r *record, attempt int, took time.Duration, err error, value func() any) (next int) {
	if p := postponed(err); p != nil && st.retries() {
		again, bad := st.postpone(w, r, func() Failure { return st.failures(r, attempt, took, err, value)[0] }, p)
		switch {
		case again:
			return attempt
		case bad == nil:
			return 0
		}
		err = bad
	}
	w.holds(nil)
	if d := st.decide(w, r, attempt, took, err, value); d.again && st.waitAgain(w, r, d) {
		return attempt + 1
	}
	return 0
}

// waitAgain waits for the next attempt; false: it was given up, and the hold given back.
func (st *step) waitAgain(w *worker, r *record, d verdict) bool {
	st.run.emit(Retrying{d.f, d.wait})
	if d.wait <= 0 {
		return st.goesOn(w, r)
	}
	st.run.retrying.Add(1)
	defer st.run.retrying.Add(-1)
	waits := !r.stopping()
	w.holds(lasts(CauseRetry, st.name, d.f, d.wait))
	st.sleep(w, r, d.wait)
	if !(waits && st.triesOnceMore(r)) && !st.goesOn(w, r) {
		w.holds(nil)
		return false
	}
	w.holds(lasts(st.calls(), st.name, d.f, 0)) // who sees it run knows that it has failed before
	return true
}

// calls is what a call of the step that does not return stands for.
func (st *step) calls() Cause {
	if len(st.node.sinks) > 0 {
		return CauseSink
	}
	return CauseHandler
}

// triesOnceMore reports whether a wait that a drain has ended is followed by one more attempt: the
// element has finished steps, which would be done again. In its first step it has not.
func (st *step) triesOnceMore(r *record) bool {
	s := r.part.status()
	return !st.first && s.life() == draining && s.begins() && r.Err() == nil && r.part.led.OutOfOrder
}

// pause is sleep; false: the element was given up meanwhile, and its hold given back.
func (st *step) pause(w *worker, r *record, d time.Duration) bool {
	w.holds(lasts(CauseThrottle, st.name, Failure{}, d))
	st.sleep(w, r, d)
	w.holds(nil)
	return st.goesOn(w, r)
}

// sleep lets time pass without holding a worker's slot, until waits for the record must be given
// up.
func (st *step) sleep(w *worker, r *record, d time.Duration) {
	stop := r.stopped()
	w.wait(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-stop:
		case <-r.Done():
		}
	})
}

// goesOn gives back the hold of an element that must not be tried again, and says so.
func (st *step) goesOn(w *worker, r *record) bool {
	st.run.lapse(r.part)
	if r.Err() != nil || r.stopping() {
		st.leave(w, r)
		return false
	}
	return true
}

// finish ends an element before the end of the chain, as its end would: CommitEach holds its lane
// there. A Transform's own goroutine has no lane.
func (st *step) finish(w *worker, r *record) {
	if w.Worker == nil {
		r.done()
		return
	}
	st.run.finish(w, r)
}

// leave gives a record's hold back unfinished. What is behind it in its lane must not overtake it:
// a frozen or lost partition begins nothing anyway, in one that closes the lane is dead.
func (st *step) leave(w *worker, r *record) {
	if r.part.status().life() >= draining {
		w.poison()
	}
	if w.slot != nil {
		w.slot.left = true
	}
	r.leaves(func(l *record) bool {
		if l.part.status().life() >= draining && l.part.above == nil {
			l.part.giveUpFrom(l.offset())
		}
		return true
	})
	r.abandon()
}

func (st *step) decide(w *worker, r *record, attempt int, took time.Duration, err error, value func() any) verdict {
	if r.Err() != nil || r.dropped() {
		// The runtime has cancelled the element, or frozen its partition: no policy applies to what
		// it returned.
		st.leave(w, r)
		return verdict{}
	}
	fs := st.failures(r, attempt, took, err, value)
	st.run.emit(AttemptFailed{fs[0]})
	for p, wait := range st.takers(fs) {
		st.watch(r, p, fs...)
		switch p.kind {
		case retryPolicy:
			return verdict{again: true, wait: wait, f: fs[0]}
		case skipPolicy:
			for _, f := range fs {
				st.run.emit(Skipped{f})
			}
			st.finish(w, r)
			return verdict{}
		case deadLetterPolicy:
			if cause := st.deadLetter(w, r, p, fs); cause != nil {
				if r.Err() != nil {
					st.leave(w, r)
					return verdict{}
				}
				for i := range fs {
					st.run.emit(DeadLetterFailed{fs[i], cause})
					fs[i].Err = errors.Join(fs[i].Err, cause)
				}
				continue
			}
			for _, f := range fs {
				st.run.emit(DeadLettered{f})
			}
			st.finish(w, r)
			return verdict{}
		case haltPolicy:
			i := 0
			// each partition that has a part in it, at the first of its records
			r.leaves(func(l *record) bool {
				l.part.freeze(fs[i], byRecord, p.resumeAfter)
				i++
				return true
			})
			st.leave(w, r)
			return verdict{}
		}
		break
	}
	// at once, so that nothing behind it begins before the drain does
	r.leaves(func(l *record) bool {
		l.part.rise(draining)
		return true
	})
	st.fatal(fs[0])
	st.leave(w, r)
	return verdict{}
}

// fatal ends the run for a failure that no policy has taken, or FailOnError.
func (st *step) fatal(f Failure) {
	st.run.emit(Failed{f})
	st.run.fail(&StepError{f.Step, f.Meta.Topic, f.Meta.Partition, f.Meta.Offset, f.Attempts, st.run.plan.steps[st.node].below, f.Err})
}

// takers yields the policies that take a failure, first to last, each with the wait before the next
// attempt where it is a retry, for as long as the one before has not ended the matter. A policy
// whose own func panics leaves the failure, with the panic joined to it, to the next.
func (st *step) takers(fs []Failure) iter.Seq2[*policy, time.Duration] {
	return func(yield func(*policy, time.Duration) bool) {
		for _, p := range st.policies {
			var wait time.Duration
			match, bad := p.takes(fs[0].Err)
			if match && p.kind == retryPolicy {
				if IsPermanent(fs[0].Err) || p.retry.exhausted(fs[0].Attempts) || !st.retries() {
					continue
				}
				wait, bad = p.backoff(fs[0])
			}
			if bad != nil {
				for i := range fs {
					fs[i].Err = errors.Join(fs[i].Err, bad)
				}
			} else if match && !yield(p, wait) {
				return
			}
		}
	}
}

// takes reports whether the policy is for err.
func (p *policy) takes(err error) (match bool, bad error) {
	if p.when == nil {
		return true, nil
	}
	bad = guarded(func() error { match = p.when(err); return nil })
	return match, bad
}

// backoff is the wait before the next attempt.
func (p *policy) backoff(f Failure) (wait time.Duration, bad error) {
	bad = guarded(func() error { wait = p.retry.wait(f); return nil })
	return wait, bad
}

// retries reports whether the step can be run again on its own input.
func (st *step) retries() bool { return retriable(st.node.op) }

// failures describes a failure, once for each source record of the element.
func (st *step) failures(r *record, attempt int, took time.Duration, err error, value func() any) (fs []Failure) {
	v := value()
	r.leaves(func(l *record) bool {
		vs := l.slab.Payload.(values)
		meta, _ := vs.meta(l.Index)
		fs = append(fs, Failure{Meta: meta, Step: st.name, Attempts: attempt, Duration: took, Err: err, Record: vs.value(l.Index), Value: v})
		return true
	})
	return fs
}

func (st *step) watch(ctx context.Context, p *policy, fs ...Failure) {
	for _, watch := range p.watch {
		for _, f := range fs {
			if err := guarded(func() error { watch(ctx, f); return nil }); err != nil {
				st.run.fail(err)
			}
		}
	}
}

// deadLetter writes failures to the policy's sink: one write at a time for each partition, without
// a worker's slot.
func (st *step) deadLetter(w *worker, r *record, p *policy, fs []Failure) (err error) {
	w.waitFor(lasts(CauseSink, st.name, fs[0], 0), func() {
		for len(fs) > 0 && err == nil {
			n := 1
			for n < len(fs) && fs[n].Meta.TopicPartition() == fs[0].Meta.TopicPartition() {
				n++
			}
			out := make([]Out[Failure], n)
			for i, f := range fs[:n] {
				out[i] = Out[Failure]{f, f.Meta}
			}
			err = st.run.writers.one(r, p, fs[0].Meta.TopicPartition(), func() error {
				return guarded(func() error { return p.sink.Write(context.Context(r), out) })
			})
			fs = fs[n:]
		}
	})
	return err
}
