package stream_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// life is one run of the chain: one member of the group, from its start to its end.
type life struct {
	w      *world
	m      members[item]
	p      *stream.Pipeline
	cancel context.CancelFunc
	done   chan struct{} // closed when Run has returned
	err    error
	crash  bool
	hurry  bool // had a revoke with hardly any time
	closed bool // its end was noted

	// guarded by w.mu
	cur     map[int]*epoch
	unsure  bool         // a commit has failed: the newest may come once more
	owns    map[int]bool // as the driver has it
	exec    map[int]int  // calls in progress, by stage
	at      map[[2]int]int
	writing map[spot]int
	commits []commitTrouble
}

func (w *world) live() *life {
	l := &life{w: w, m: w.log.Member(), done: make(chan struct{}), cur: map[int]*epoch{}, owns: map[int]bool{}, exec: map[int]int{},
		at: map[[2]int]int{}, writing: map[spot]int{}, commits: w.sc.commits}
	l.m.FailCommits(l.committing)
	p, err := propChain(propSources(w.sc.sources, w.sc.apart), w.sc.words, l).Build(l.m.options(stream.Observe(stream.Observer{Event: l.event}),
		stream.MaxInFlight(w.sc.inFlight), stream.MaxWaiting(w.sc.waiting), stream.DrainTimeout(w.sc.drain), stream.MaxFinishedAhead(w.sc.ahead), stream.BuildID(w.build()))...)
	if err != nil {
		w.violate("Build refused: %v", err)
		return nil
	}
	l.p = p
	w.stateless = strings.Contains(p.Describe().Guarantee, "no resume state")
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	w.wg.Go(func() {
		defer close(l.done)
		l.err = p.Run(ctx)
	})
	return l
}

// build is what the next life is built from.
func (w *world) build() string {
	w.lives++
	if len(w.sc.builds) == 0 {
		return ""
	}
	return w.sc.builds[w.lives%len(w.sc.builds)]
}

// event follows the assignments.
func (l *life) event(e stream.Event) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	switch e := e.(type) {
	case stream.Assigned:
		l.cur[e.Partition] = &epoch{tally: newTally(), part: e.Partition, from: e.Offset, began: map[int64]bool{}, calls: map[int64]int{},
			skipped: map[int64]bool{}, parks: map[parkOf]bool{}, alone: map[int64]bool{}, earlier: l.w.finishedAhead[e.Partition], rereads: l.w.rereads()}
	case stream.SourceEvent:
		if e.Name == "lane set aside" {
			l.w.seen.aside = true
			l.cur[e.Partition].rereads = l.w.rereads()
		}
		l.w.seen.stall = l.w.seen.stall || e.Name == "lane set aside" && strings.Contains(e.Text, "is tried again")
		l.w.seen.back = l.w.seen.back || e.Name == "lane read again"
	case stream.CommitFailed:
		l.unsure = true
	case stream.Halted:
		l.w.halts, l.w.seen.halt = true, true
		switch ep := l.cur[e.Meta.Partition]; {
		case e.Scope != stream.ScopePartition:
			l.w.seen.park = true
			ep.parks[parked(e.Halt)] = false
		case e.Restored:
			ep.frozen = true
		}
	case stream.Paused:
		l.w.halts = true
		if e.Scope == stream.ScopeLane {
			l.w.seen.hold = true
			l.cur[e.Meta.Partition].parks[parked(e.Halt)] = false
		}
	case stream.Resumed:
		switch ep := l.cur[e.Meta.Partition]; {
		case e.Scope != stream.ScopePartition:
			ep.unparked(l.w, e.Halt)
		case !ofSource(e.Halt):
			ep.resumed(l.w)
		}
	}
}

// busy counts calls in progress against the bounds of their stage. w.mu is held.
func (l *life) busy(r *rule, part, n int) {
	key := [2]int{r.stage, part}
	l.exec[r.stage] += n
	l.at[key] += n
	if l.at[key] == 0 {
		delete(l.at, key)
	}
	if n < 0 {
		return
	}
	if r.slots > 0 && l.exec[r.stage] > r.slots {
		l.w.violate("%d calls at a time in stage %d, %d are allowed", l.exec[r.stage], r.stage, r.slots)
	}
	parts := 0
	for k := range l.at {
		if k[0] == r.stage {
			parts++
		}
	}
	if r.parts > 0 && parts > r.parts {
		l.w.violate("%d partitions at a time in stage %d, %d are allowed", parts, r.stage, r.parts)
	}
}

// gone reports whether Run has returned, and notes how.
func (l *life) gone() bool {
	select {
	case <-l.done:
	default:
		return false
	}
	if l.closed {
		return true
	}
	l.closed = true
	l.cancel()
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range l.cur {
		e.ended = true
	}
	clear(l.owns)
	l.verdict()
	return true
}

// verdict looks at what Run returned. w.mu is held.
func (l *life) verdict() {
	w, err := l.w, l.err
	var step *stream.StepError
	var f *fault
	switch {
	case err == nil:
		return
	case errors.Is(err, stream.ErrDrain):
		w.loss, w.seen.timeout = true, true
		if w.sc.drain >= longDrain && !l.crash && !l.hurry && !(w.m.gated && w.seen.lose) && !errors.As(err, &step) {
			w.violate("a drain did not end in time: %v", err)
		}
	}
	switch {
	case l.crash && errors.Is(err, streamtest.ErrCrashed):
	case errors.As(err, &step):
		w.loss = true
		if !errors.As(err, &f) {
			w.violate("failed with an error that was not planned: %v", err)
		} else if r := w.m.rules[f.at]; r.ending {
			w.violate("failed although a policy ends every failure at %d: %v", f.at, err)
		} else if !stream.IsPermanent(step.Err) && step.Attempts < r.retry && w.m.words[f.at].kind != transformWord {
			w.violate("failed at attempt %d of %d: %v", step.Attempts, r.retry, err)
		}
	case errors.Is(err, stream.ErrDrain):
	case w.halts: // the source had no more while a partition was halted
	default:
		w.violate("Run returned %v", err)
	}
}

// assign gives the partitions without an owner to the life.
func (w *world) assign(l *life, parts []int) {
	if l == nil || l.gone() {
		return
	}
	for _, p := range parts {
		w.inherit(p)
	}
	if l.m.Assign(parts...) != nil { // it has just ended, maybe only one of its sources: it keeps none
		lost := map[int]bool{} // the others drain with the source that has ended
		for _, p := range parts {
			lost[p] = l.m.Lose(p) == nil
		}
		w.wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.loss = true
		for _, p := range parts {
			if e := l.cur[p]; e != nil && lost[p] {
				e.ended = true
			}
		}
		return
	}
	for _, p := range parts {
		l.owns[p] = true
	}
}

// revoke takes partitions back in good order, within a time or (0) as long as it takes.
func (w *world) revoke(l *life, parts []int, within time.Duration) {
	w.seen.revoke = w.seen.revoke || len(parts) > 0
	l.hurry = l.hurry || within > 0
	es := l.epochs(parts)
	end := make(chan struct{})
	var ended error // its source had: what the run does with what that left is not over yet
	w.wg.Go(func() {
		defer close(end)
		ended = l.m.Revoke(within, parts...)
	})
	w.wait()
	w.mu.Lock()
	for _, e := range es {
		e.close(w)
	}
	w.mu.Unlock()
	<-end
	w.wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range es {
		clean := ended == nil && within == 0 && w.sc.drain >= longDrain && !l.done0() && !e.frozen && w.m.showsBegin && w.m.endsInHandler
		if clean && w.log.Committed(e.part) < w.watermark(e) {
			w.violate("revoked without its commit: %d is finished, %d is committed", w.watermark(e), w.log.Committed(e.part))
		}
		for _, it := range w.records {
			if clean && w.keepsAhead() && it.P == e.part && it.Off >= e.from && w.finished(it, e) && !w.stored(it.P, it.Off) {
				w.violate("revoked without its commit: %v has finished, that is not stored", it)
			}
		}
		e.ended = true
		w.loss = w.loss || within > 0
		delete(l.owns, e.part)
	}
}

func (l *life) done0() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *life) epochs(parts []int) (es []*epoch) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, p := range parts {
		es = append(es, l.cur[p])
	}
	return es
}

// lose takes partitions away without a word before.
func (w *world) lose(l *life, parts []int) {
	w.seen.lose = w.seen.lose || len(parts) > 0
	es := l.epochs(parts)
	_ = l.m.Lose(parts...)
	w.wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range es {
		e.ended, w.loss = true, true
		delete(l.owns, e.part)
	}
}

// stop ends a life: by a drain, or by a crash.
func (w *world) stop(l *life, crash bool) {
	if l == nil || l.gone() {
		return
	}
	if crash {
		l.crash, w.seen.crash = true, true
		w.mu.Lock()
		w.loss = true
		w.mu.Unlock()
		l.m.Crash()
	} else {
		l.cancel()
		w.wait()
		w.mu.Lock()
		for _, e := range l.cur {
			e.close(w)
		}
		w.mu.Unlock()
	}
	<-l.done
	l.gone()
}

// operate resumes or skips the halts that there are.
func (w *world) operate(l *life, skip bool) (any bool) {
	if l == nil {
		return false
	}
	w.wait()
	for _, h := range l.p.Halts() {
		any = true
		if ofSource(h) {
			_ = l.p.Resume(h)
			continue
		}
		w.mu.Lock()
		e := l.cur[h.Meta.Partition]
		rested := map[int64]bool{}
		for _, it := range w.records {
			if it.P == e.part && w.m.finished(it, 0, w.m.commit, e.tally) {
				rested[it.Off] = true
			}
		}
		w.mu.Unlock()
		// Asked before the call: what it begins must find it.
		release, skipped := l.p.Resume, int64(-1)
		if skip && h.By == "" {
			release, skipped = l.p.Skip, h.Meta.Offset
			if h.Last > skipped { // of a batch: its last record is taken for the culprit
				skipped = h.Last
				release = func(h stream.Halt) error { return l.p.SkipRange(h, skipped, skipped) }
			}
		}
		if h.Scope != stream.ScopePartition {
			w.unpark(e, h, release, skipped)
			continue
		}
		if restore := e.ask(w, rested, skipped); release(h) != nil {
			restore()
		} else {
			w.skips(e, skipped)
		}
	}
	return any
}

// ask notes a Resume, or the Skip of a record; restore takes it back.
func (e *epoch) ask(w *world, rested map[int64]bool, skip int64) (restore func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, was := *e, e.skipped[skip]
	e.asked, e.rested, e.frozen, e.skipped[skip] = true, rested, false, true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		e.asked, e.rested, e.frozen, e.skipped[skip] = old.asked, old.rested, old.frozen, was
	}
}

func (w *world) skips(e *epoch, off int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipped[recordAt{e.part, off}] = true
}
