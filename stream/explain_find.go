package stream

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// spotted is where a record is.
type spotted struct {
	stage     *stage // where a worker has it
	worker    *worker
	held      *hold
	since     time.Time // when the worker was first seen with it
	step      *step     // of the attempt in progress; nil: unknown
	attempt   int
	began     time.Time
	transform *transform // the Transform that has it
	inside    int        // elements in that Transform
}

// busyWorkers is the workers that are processing a record.
type busyWorkers struct {
	n       int
	some    []*record // the records of a few of them
	where   []*stage
	unbegun int             // workers that wait for the pipeline's rate
	acks    map[*part]*hold // partitions with a worker that waits for a commit
}

// note counts a worker that is processing rec.
func (c *busyWorkers) note(w *worker, rec *record) {
	if h := w.held.Load(); h != nil && h.unbegun {
		c.unbegun++
		return
	}
	if c.n++; len(c.some) < 3 {
		c.some, c.where = append(c.some, rec), append(c.where, w.stage)
	}
	if h := w.held.Load(); h == beforeItsCommit || h == beforeItIsWritten {
		c.acks[rec.part] = h
	}
}

func (c *busyWorkers) String() string {
	var names []string
	for i, rec := range c.some {
		names = append(names, fmt.Sprintf("%v in %s", rec.meta(), c.where[i].names()))
	}
	return strings.TrimSuffix(fmt.Sprintf("%s busy: %s", counted(c.n, "worker"), strings.Join(names, ", ")), ": ")
}

// find looks for records in workers, in attempts with a Timeout, and in Transforms. It removes
// those that it does not find.
func (r *run) find(wanted map[*record]*spotted, now time.Time) *busyWorkers {
	c := &busyWorkers{acks: map[*part]*hold{}}
	if len(wanted) == 0 {
		return c
	}
	of := func(rec *record, note func(*spotted)) {
		rec.sources(func(l *record) bool { // several may be in one batch
			if f, is := wanted[l]; is {
				if f == nil {
					f = new(spotted)
					wanted[l] = f
				}
				note(f)
			}
			return true
		})
	}
	r.workersMu.Lock()
	for _, w := range r.workers {
		rec := w.cur.Load()
		if rec == nil || !w.Running() {
			continue
		}
		c.note(w, rec)
		first := rec.first()
		at := sighting{first.part.tp, first.part.epoch, first.offset(), w.seen.since}
		if w.seen != at || at.since.IsZero() {
			at.since = now
			w.seen = at
		}
		of(rec, func(f *spotted) {
			if f.worker == nil || f.stage.index < w.stage.index {
				f.worker, f.stage, f.held, f.since = w, w.stage, w.held.Load(), w.seen.since
			}
		})
	}
	r.workersMu.Unlock()
	for i := range r.overruns.shards {
		s := &r.overruns.shards[i]
		s.mu.Lock()
		for u := s.root.next; u != &s.root; u = u.next {
			of(u.r, func(f *spotted) { f.step, f.attempt, f.began = u.st, u.n, clockStart.Add(u.began) })
		}
		s.mu.Unlock()
	}
	for _, sg := range r.stages {
		d := sg.transform
		if d == nil {
			continue
		}
		d.mu.Lock()
		for t := range d.held {
			of(t.r, func(f *spotted) { f.transform, f.inside = d, len(d.held) })
		}
		d.mu.Unlock()
	}
	for rec, f := range wanted {
		if f == nil {
			delete(wanted, rec)
		}
	}
	return c
}

// tell explains a partition by the place of its record.
func (f *spotted) tell(e *Explanation) {
	switch {
	case f.transform != nil:
		e.Cause, e.Step = CauseTransform, f.transform.st.name
		e.Detail = fmt.Sprintf("it holds %s", counted(f.inside, "element"))
		switch {
		case f.transform.ahead.Load() > 0:
			e.Detail += fmt.Sprintf(", %d of them not received yet", f.transform.ahead.Load())
		case !f.transform.asks.Load():
			e.Detail += ", and does not receive from FlushOf"
		}
	case f.step != nil:
		e.Cause, e.Step, e.Attempt, e.Since = f.step.calls(), f.step.name, f.attempt, f.began
		e.Detail = ignores(f.step.timeout, e.At.Sub(f.began))
		if f.held != nil && f.held.last.Step == f.step.name {
			e.Err = f.held.last.Err
		}
	case f.held != nil:
		e.waits(f.held)
		if !f.held.unbegun {
			e.Step = cmp.Or(e.Step, f.stage.names())
		}
	default:
		e.Cause, e.Step, e.Attempt, e.Since, e.rough = CauseHandler, f.stage.names(), 1, f.since, true
		if f.stage.plan.head != nil {
			e.Cause = CauseSink
		}
	}
}

// goroutine returns the id of the goroutine that runs the user's func with the record, or 0.
func (f *spotted) goroutine(of Cause) int64 {
	switch {
	case f == nil:
	case f.transform != nil:
		return f.transform.id.Load()
	case f.worker != nil && (of == CauseHandler || of == CauseSink):
		return f.worker.Goroutine()
	}
	return 0
}

// inBatch explains a record that waits in a Batch.
func (r *run) inBatch(p *part, rec *record, e *Explanation) bool {
	if rec.part == p.tail {
		p = p.tail
	}
	for _, st := range r.batches {
		if n := st.batchOf(p).has(rec); n > 0 {
			e.Cause, e.Step = CauseBatch, st.name
			e.Detail = fmt.Sprintf("its batch has %s so far", counted(n, "element"))
			return true
		}
	}
	return false
}

// queued explains a record that no worker has. Its lane waits for a commit or for another record,
// or no worker is free.
func (c *busyWorkers) queued(r *run, p *part, commit *hold, e *Explanation) {
	if h := c.acks[p]; h != nil {
		e.waits(cmp.Or(commit, h))
		e.Detail = "the record before it in its lane has finished, and its commit has not"
		return
	}
	e.Cause = CauseWorkers
	e.Detail = "it is queued; " + c.String()
	if c.unbegun > 0 {
		e.Detail += fmt.Sprintf("; %s for the pipeline's rate", waits(c.unbegun))
	}
	e.Setting = r.fullBySetting(p)
}

func waits(n int) string {
	if n == 1 {
		return "1 record waits"
	}
	return counted(n, "record") + " wait"
}

// look adds what takes more time: the stack, and the number of records with the same key.
func (e *Explanation) look(p *part, first oldest, f *spotted) {
	of := e.Cause
	if of == CauseDrain && len(e.Also) > 0 {
		of = e.Also[0]
	}
	if id := f.goroutine(of); id != 0 {
		e.Stack = stackOf(id)
	}
	if first.rec == nil || len(e.Record.Key) == 0 {
		return
	}
	for s, i := range first.rec.part.led.Unfinished {
		if m, ok := s.Payload.(values).meta(int32(i)); ok && m.Offset != e.Record.Offset && string(m.Key) == string(e.Record.Key) {
			e.BehindKey++
		}
	}
}
