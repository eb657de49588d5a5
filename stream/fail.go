package stream

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// verdict is the decision of the policies about a failed element.
type verdict struct {
	again  bool
	halves bool // bisect the element
	wait   time.Duration
	f      Failure // the failure to retry
	last   bool    // the next attempt is the last one
}

// failed asks the policies about a failed element, waits before a retry, and returns the number of
// the next attempt. 0 means that there is none and that the element's hold was given back. For a
// divisible batch, only a retry policy decides. Without a retry, failed returns inHalves.
func (st *step) failed(w *worker, r *record, attempt int, took time.Duration, err error, divisible bool, value func() any) (next int) {
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
	d := st.decide(w, r, attempt, took, err, divisible, value, nil)
	switch {
	case d.halves:
		return inHalves
	case d.again && st.waitAgain(w, r, d):
		return attempt + 1
	}
	return 0
}

// inHalves is the next attempt of a batch to bisect.
const inHalves = -1

// waitAgain waits before the next attempt. It returns false if the element was given up, after
// giving its hold back.
func (st *step) waitAgain(w *worker, r *record, d verdict) bool {
	st.noteAttempts(r, d.f.Attempts)
	st.exec.emit(Retrying{d.f, d.wait})
	if d.wait <= 0 {
		return st.goesOn(w, r)
	}
	st.exec.retrying.Add(1)
	defer st.exec.retrying.Add(-1)
	waits := !r.stopping()
	if !waits {
		r.part.triedInVain.Store(true)
	}
	w.holds(lasts(CauseRetry, st.name, d.f, d.wait))
	w.fails(r, d.wait)
	st.sleep(w, r, d.wait)
	if !(waits && !d.last && st.triesOnceMore(r)) && !st.goesOn(w, r) {
		w.holds(nil)
		return false
	}
	w.holds(lasts(st.calls(), st.name, d.f, 0)) // a look at the running call shows the last failure
	return true
}

// noteAttempts notes the failed attempts of an element that waits for a retry.
func (st *step) noteAttempts(r *record, failed int) {
	p := r.part
	if r.joined != nil || !st.single || !p.ahead.kept {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead.attempts.note(st.line, resume.Attempts{Offset: r.offset(), Step: st.name, Failed: failed})
}

// calls is the cause of a wait for a call of the step.
func (st *step) calls() Cause {
	if len(st.node.sinks) > 0 {
		return CauseSink
	}
	return CauseHandler
}

// triesOnceMore reports whether one more attempt follows a wait that a drain ended. It does if
// earlier steps have worked on the element, since they would be repeated. The last attempt is kept
// for the next worker. Once such an attempt has failed in this drain, no other follows: it may be
// an outage.
func (st *step) triesOnceMore(r *record) bool {
	s := r.part.status()
	return !st.first && s.life() == draining && s.begins() && r.Err() == nil && r.part.led.OutOfOrder && !r.part.triedInVain.Load()
}

// sleep waits for d without using a slot of the pool. It returns early if waits for the record must
// end.
func (st *step) sleep(w *worker, r *record, d time.Duration) {
	stop := r.stopped()
	w.wait(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		w.stalled(func() {
			select {
			case <-timer.C:
			case <-stop:
			case <-r.Done():
			}
		})
	})
}

// goesOn reports whether the element may be retried. If not, it gives the element's hold back.
func (st *step) goesOn(w *worker, r *record) bool {
	r.part.loseIfExpired()
	if r.Err() != nil || r.stopping() || r.dropped() {
		st.leave(w, r)
		return false
	}
	return true
}

// finish ends an element before the end of the chain in the same way as at its end, where
// CommitEach holds its lane. A Transform's own goroutine has no lane.
func (st *step) finish(w *worker, r *record) {
	if w.Worker == nil {
		r.done()
		return
	}
	st.exec.finish(w, r)
}

// leave abandons a record. Later elements of its lane must not overtake it. A halted or released
// partition starts nothing anyway; in a drain, leave closes the lane.
func (st *step) leave(w *worker, r *record) {
	if r.part.status().life() >= draining {
		w.closeLane()
		if w.slot != nil { // not in a halt: it drops what is behind, and makes it again
			w.slot.left = true
		}
	}
	r.sources(func(l *record) bool {
		if l.part.status().life() >= draining && l.part.above == nil {
			l.part.giveUpFrom(l.offset())
		}
		return true
	})
	r.abandon()
}

// mate is an element that failed in the same call as another one, and may be the cause.
type mate struct {
	r     *record
	value func() any
}

// decide asks the policies about a failed element. If it is divisible, only a retry policy decides.
func (st *step) decide(w *worker, r *record, attempt int, took time.Duration, err error, divisible bool, value func() any, mates []mate) verdict {
	r.part.loseIfExpired()
	if r.Err() != nil || r.dropped() {
		// The pipeline cancelled the element or halted its partition. No policy applies to an error
		// that may only be the consequence.
		st.leave(w, r)
		return verdict{}
	}
	fs := st.failures(r, attempt, took, err, value)
	st.exec.emit(AttemptFailed{fs[0]})
	for p, wait := range st.takers(fs) {
		if divisible && p.kind != retryPolicy {
			return verdict{halves: true}
		}
		st.watch(r, p, fs...)
		switch p.kind {
		case retryPolicy:
			return verdict{again: true, wait: wait, f: fs[0], last: p.retry.exhausted(fs[0].Attempts + 1)}
		case skipPolicy:
			for _, f := range fs {
				st.exec.emit(Skipped{f})
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
					st.exec.emit(DeadLetterFailed{fs[i], cause})
					fs[i].Err = errors.Join(fs[i].Err, cause)
				}
				continue
			}
			for _, f := range fs {
				st.exec.emit(DeadLettered{f})
			}
			st.finish(w, r)
			return verdict{}
		case haltPolicy, parkPolicy:
			st.halt(r, p, fs, mates)
			st.leave(w, r)
			return verdict{}
		}
		break
	}
	if divisible {
		return verdict{halves: true}
	}
	// at once, so that no later record is started before the drain starts
	r.sources(func(l *record) bool {
		l.part.rise(draining)
		return true
	})
	st.fatal(fs[0])
	st.leave(w, r)
	return verdict{}
}

// halt halts each partition of an element at its records, or parks each of their lanes. The halt
// covers mates in the same partition or lane, too.
func (st *step) halt(r *record, p *policy, fs []Failure, mates []mate) {
	type stop struct {
		p    *part
		lane uint64 // of a park: a Transform may have joined several
	}
	scope := st.scope(p)
	var stops []stop
	of, first := map[stop]*suspects{}, map[stop]Failure{}
	suspect := func(r *record, fs []Failure, own bool) {
		i := 0
		r.sources(func(l *record) bool {
			s := stop{p: l.part}
			if scope == ScopeLane {
				s.lane = keyHash(l.key())
			}
			if of[s] == nil && own {
				stops, of[s] = append(stops, s), &suspects{}
			}
			if of[s] != nil {
				of[s].add(l)
				if f, any := first[s]; !any || fs[i].Meta.Offset < f.Meta.Offset {
					first[s] = fs[i]
				}
			}
			i++
			return true
		})
	}
	suspect(r, fs, true)
	for _, m := range mates {
		suspect(m.r, st.failures(m.r, fs[0].Attempts, fs[0].Duration, fs[0].Err, m.value), false)
	}
	for _, s := range stops {
		if scope == ScopePartition {
			s.p.freeze(first[s], *of[s], byRecord, p.resumeAfter)
		} else {
			s.p.park(first[s], *of[s], scope, p.resumeAfter)
		}
	}
}

// scope returns what a failure of the step stops.
func (st *step) scope(p *policy) Scope {
	if !p.parks() {
		return ScopePartition
	}
	return st.stage.plan.parkScope(st.node, st.group)
}

// fatal ends the run for a failure that matched FailOnError or no policy.
func (st *step) fatal(f Failure) {
	st.exec.emit(Failed{f})
	st.exec.fail(&StepError{f.Step, f.Meta.Topic, f.Meta.Partition, f.Meta.Offset, f.Attempts, st.exec.plan.steps[st.node].below, f.Meta.Source, f.Err})
}

// takers yields the policies that match a failure, first to last. A retry policy comes with the
// wait before the next attempt. If a policy's own func panics, the panic is joined to the failure
// and the next policy is tried.
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

// takes reports whether the policy matches err.
func (p *policy) takes(err error) (match bool, bad error) {
	if p.when == nil {
		return true, nil
	}
	bad = guarded(func() error { match = p.when(err); return nil })
	return match, bad
}

// backoff returns the wait before the next attempt.
func (p *policy) backoff(f Failure) (wait time.Duration, bad error) {
	bad = guarded(func() error { wait = p.retry.wait(f); return nil })
	return wait, bad
}

// retries reports whether the step can run again on its input.
func (st *step) retries() bool { return retriable(st.node.op) }

// failures returns a Failure for each source record of the element.
func (st *step) failures(r *record, attempt int, took time.Duration, err error, value func() any) (fs []Failure) {
	v := value()
	r.sources(func(l *record) bool {
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
				st.exec.fail(err)
			}
		}
	}
}

// deadLetter writes failures to the policy's sink, with one write at a time for each partition. It
// uses no slot of the pool.
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
			err = st.exec.writers.one(r, p, fs[0].Meta.TopicPartition(), func() error {
				return guarded(func() error { return p.sink.Write(context.Context(r), out) })
			})
			fs = fs[n:]
		}
	})
	return err
}
