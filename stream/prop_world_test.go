package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/resume"
	"github.com/laneway-go/laneway/stream"
)

// world is one running case: the log, what is planned, and what was seen.
type world struct {
	sc  *scenario
	m   *model
	log topics[item]

	mu      sync.Mutex // guards what follows
	calls   map[deed]int
	writing map[write]int // calls in progress
	ever    *tally
	passed  map[deed]*tie // below the commit
	skipped map[recordAt]bool
	records []item
	// by partition: what the state told when it was last assigned
	finishedAhead map[int]map[int64]bool
	states        map[int][]string // by partition: those that were stored
	spoiled       map[int]bool     // by partition: the stored state is not what its worker has stored
	seq           int
	lives         int  // so far
	stateless     bool // Describe says that no resume state is stored
	loss          bool // what was committed may be lost: a crash, a loss, a drain without time
	halts         bool // some partition was halted
	bad           []string
	seen          sightings

	wg *conc.WaitGroup // everything that the driver starts
}

// wait lets everything run until nothing can without time passing.
func (w *world) wait() { synctest.Wait() }

// recordAt is where a record lies.
type recordAt struct {
	p   int
	off int64
}

// sightings are what a case had.
type sightings struct{ merged, branch, revoke, lose, crash, halt, park, hold, aside, stall, back, waiting, timeout bool }

func newWorld(sc *scenario) *world {
	w := &world{sc: sc, m: modelOf(sc.words), calls: map[deed]int{}, writing: map[write]int{}, ever: newTally(), passed: map[deed]*tie{}, skipped: map[recordAt]bool{}, finishedAhead: map[int]map[int64]bool{}, states: map[int][]string{}, spoiled: map[int]bool{}}
	w.seen.merged, w.seen.branch = sc.sources > 1, slices.ContainsFunc(sc.words, word.forks)
	w.log = newTopics(sc.sources, sc.parts, func(it *item, m stream.Meta) { it.P, it.Off, it.Key = m.Partition, m.Offset, string(m.Key) })
	if sc.sources > 1 && (sc.apart || w.m.first() == toWord) {
		w.m.showsBegin = false // a record begins above the Merge
	}
	return w
}

// violate notes that a promise was broken. w.mu is held.
func (w *world) violate(format string, args ...any) {
	if len(w.bad) < 5 {
		w.bad = append(w.bad, fmt.Sprintf(format, args...))
	}
}

// plan says how long a call takes and what it fails with. w.mu is held.
func (w *world) plan(at int, items []item) (d time.Duration, deaf bool, errs map[item]error) {
	if w.sc.unique {
		w.seq++
		d = 10*time.Microsecond + time.Duration(w.seq)
	}
	errs = map[item]error{}
	for _, it := range items {
		dd := deed{at, it}
		w.calls[dd]++
		t := w.sc.trouble[spot{at, it.P, it.Off}]
		if t == nil {
			continue
		}
		if t.takes > 0 {
			d, deaf = max(d, t.takes+time.Duration(w.seq)), deaf || t.deaf
		}
		if w.calls[dd] > t.times {
			continue
		}
		f := &fault{at, it, t.panics}
		if errs[it] = f; t.permanent && !t.panics {
			errs[it] = stream.Permanent(f)
		}
	}
	return d, deaf, errs
}

// pick is a call of a func that knows no context.
func (l *life) pick(at int, it item) {
	w := l.w
	w.mu.Lock()
	_, _, errs := w.plan(at, []item{it})
	w.mu.Unlock()
	if err := errs[it]; err != nil {
		panic(err)
	}
}

func (l *life) refuse(at int, it item) error {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _, errs := w.plan(at, []item{it})
	return errs[it]
}

// watermark is the model's: the end of the longest prefix that is finished. w.mu is held.
func (w *world) watermark(e *epoch) int64 {
	mark := e.from
	for _, it := range w.records {
		if it.P != e.part || it.Off < e.from {
			continue
		}
		if !w.finished(it, e) {
			return mark
		}
		mark = it.Off + 1
	}
	return mark
}

// through reports whether all records before an offset have come as far as a step. One that ends
// earlier does so when a worker gets to it, which the model cannot see. w.mu is held.
func (w *world) through(e *epoch, at int, before int64) bool {
	for _, it := range w.records {
		if it.P == e.part && it.Off >= e.from && it.Off < before && !e.done[deed{at, it}] {
			return false
		}
	}
	return true
}

// finished reports whether a record may be committed: everything above the commit is through, in
// this assignment, or an operator gave it up.
func (w *world) finished(it item, e *epoch) bool {
	return e.skipped[it.Off] || e.earlier[it.Off] || w.m.finished(it, 0, w.m.commit, e.tally)
}

// keepsState reports whether a resume state is stored with the watermark.
func (w *world) keepsState() bool { return w.sc.ahead > 0 && !w.m.gated && !w.stateless }

// keepsAhead reports whether that makes up for what is finished above a record that is not, so that
// a drain starts nothing more.
func (w *world) keepsAhead() bool {
	return w.keepsState() && !slices.ContainsFunc(w.sc.words, func(w word) bool { return w.keep })
}

// ahead is what is stored as finished above the committed offset of a partition.
func (w *world) ahead(part int) map[int64]bool {
	_, ahead := w.position(part)
	return ahead
}

// position is what is stored of a partition: the offset, and what is finished above it.
func (w *world) position(part int) (offset int64, ahead map[int64]bool) {
	offset, stored := w.log.Committed(part), w.log.State(part)
	for at := w.log.Committed(part); at != offset; at = w.log.Committed(part) { // a commit came in between
		offset, stored = at, w.log.State(part)
	}
	b := resume.Binding{Scope: "streamtest/streamtest", TopicID: w.log.ID(), Topic: "t", Partition: part, Offset: offset}
	state, _ := resume.Decode(b, stored)
	ahead = map[int64]bool{}
	for _, r := range state.Finished {
		for off := r.From; off < min(r.To, w.log.End(part)); off++ {
			ahead[off] = true
		}
	}
	for _, a := range state.Asides {
		for _, it := range w.records {
			if it.P == part && it.Off >= a.From && a.Lane == resume.LaneOf(keyOf(it)) {
				delete(ahead, it.Off)
			}
		}
	}
	return offset, ahead
}

// keyOf returns the key of a record; an empty one stands for none.
func keyOf(it item) []byte {
	if it.Key == "" {
		return nil
	}
	return []byte(it.Key)
}

// spoil does something to the state of a partition: that may repeat work, and skips nothing.
func (w *world) spoil(part, how int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := []byte(w.log.State(part))
	switch old := w.states[part]; {
	case how == 1:
		state = nil
	case how == 2 && len(state) > 0:
		state = state[:len(state)-1]
	case how == 3 && len(state) > 0:
		state[len(state)/2] ^= 1
	case len(old) > 0:
		state = []byte(old[how%len(old)])
	}
	w.log.SetState(part, string(state))
	w.spoiled[part] = true
	delete(w.finishedAhead, part)
}

// stored reports whether it is stored that the record at an offset has finished.
func (w *world) stored(part int, off int64) bool {
	offset, ahead := w.position(part)
	return w.spoiled[part] || offset > off || w.keepsState() && ahead[off]
}

// rereads reports whether a lane that fills MaxInFlight is set aside, in this life or by an earlier
// one: perhaps below records of it that have finished, and are then read again.
func (w *world) rereads() bool { return w.seen.aside && w.sc.inFlight < 32 }

// inherit notes what the next assignment of a partition is not to handle again: that has finished,
// and what was stored before is stored still. Nothing of the partition is assigned now.
func (w *world) inherit(part int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.keepsState() {
		return
	}
	before, now := w.finishedAhead[part], w.ahead(part)
	w.finishedAhead[part], w.spoiled[part] = now, false
	w.states[part] = append(w.states[part], w.log.State(part))
	for _, it := range w.records {
		if it.P == part && before[it.Off] && !w.stored(part, it.Off) && !w.rereads() {
			w.violate("stored as finished and forgotten: %v", it)
		}
		if it.P == part && now[it.Off] && !w.skipped[recordAt{it.P, it.Off}] && !w.m.finished(it, 0, w.m.commit, w.ever) {
			w.violate("stored as finished and is not: %v", it)
		}
	}
}

// gaveUp hears each policy that takes a failure.
func (l *life) gaveUp(ctx context.Context, at int, f stream.Failure) {
	w := l.w
	t := stream.StateOf(ctx, tieKey, func() *tie { return &tie{above: newBook(), below: newBook()} })
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.e == nil {
		t.e = l.cur[f.Meta.Partition]
	}
	policy := w.m.words[at]
	if errors.Is(f.Err, errCancelled) {
		w.violate("%v took %v, which the runtime had cancelled", policy, f.Meta)
	}
	if policy.kind == retryWord {
		w.seen.waiting = w.seen.waiting || policy.wait > 0
		if stream.IsPermanent(f.Err) || f.Attempts >= policy.n {
			w.violate("%v took %v at attempt %d: %v", policy, f.Meta, f.Attempts, f.Err)
		}
		return
	}
	var c *fault
	if !errors.As(f.Err, &c) {
		w.violate("%v took an error that was not planned: %v", policy, f.Err)
		return
	}
	if need := w.m.rules[c.at].retry; !stream.IsPermanent(f.Err) && f.Attempts < need && w.m.words[c.at].kind != transformWord {
		w.violate("%v took %v at attempt %d of %d", policy, f.Meta, f.Attempts, need)
	}
	if policy.kind == skipWord {
		w.giveUp(t, f)
	}
}

// giveUp: the element of a failure is done, by a word of the chain. w.mu is held.
func (w *world) giveUp(t *tie, f stream.Failure) {
	at := 0 // where it failed
	if c := (*fault)(nil); errors.As(f.Err, &c) {
		at = c.at
	}
	for _, it := range itemsOf(f.Value) {
		d := deed{at, it}
		t.e.gone[d], w.ever.gone[d] = true, true
		for _, b := range []*book{t.above, t.below} {
			for _, open := range b.open {
				delete(open, it)
			}
		}
	}
}

func itemsOf(v any) []item {
	if it, ok := v.(item); ok {
		return []item{it}
	}
	return v.([]item)
}

// write is the dead-letter sink.
func (l *life) write(ctx context.Context, at int, fs []stream.Out[stream.Failure]) error {
	w := l.w
	t := stream.StateOf(ctx, tieKey, func() *tie { return &tie{above: newBook(), below: newBook()} })
	w.mu.Lock()
	p := fs[0].Meta.Partition
	key := spot{at, p, 0}
	if l.writing[key]++; l.writing[key] > 1 {
		w.violate("two writes at once to the dead letters of partition %d", p)
	}
	d, deaf, errs := w.plan(at, []item{{P: p, Off: fs[0].Meta.Offset}})
	w.mu.Unlock()
	in := rest(ctx, d, deaf)
	w.mu.Lock()
	defer w.mu.Unlock()
	l.writing[key]--
	for _, err := range errs {
		return err
	}
	if !in {
		return errCancelled
	}
	for _, f := range fs {
		w.giveUp(t, f.Value)
	}
	return nil
}

// committing looks at each commit request before it is stored.
func (l *life) committing(offsets map[stream.TopicPartition]int64) error {
	w := l.w
	w.mu.Lock()
	var trouble commitTrouble
	if len(l.commits) > 0 {
		trouble, l.commits = l.commits[0], l.commits[1:]
	}
	for tp, offset := range offsets {
		e := l.cur[tp.Partition]
		if e == nil || e.ended {
			if offset <= max(w.log.Committed(tp.Partition), 0) {
				continue // the next has started, and its event is not heard yet
			}
			w.violate("committed %v at %d after its assignment had ended", tp, offset)
			continue
		}
		if at := w.log.Committed(tp.Partition); offset < at || offset == at && !w.keepsState() && !l.unsure {
			w.violate("committed backwards: %v from %d to %d", tp, at, offset)
		}
		for _, it := range w.records {
			if it.P == tp.Partition && it.Off >= e.from && it.Off < offset && !w.finished(it, e) {
				w.violate("committed past an unfinished record: %v to %d, past %v", tp, offset, it)
				break
			}
		}
	}
	w.mu.Unlock()
	rest(context.Background(), trouble.takes, true)
	if trouble.fails {
		return errors.New("the commit was refused")
	}
	if trouble.part {
		tps := make([]stream.TopicPartition, 0, len(offsets))
		for tp := range offsets {
			tps = append(tps, tp)
		}
		tp := slices.MinFunc(tps, func(a, b stream.TopicPartition) int { return a.Partition - b.Partition })
		return &stream.CommitError{Errs: map[stream.TopicPartition]error{tp: errors.New("the partition was refused")}}
	}
	return nil
}

type commitTrouble struct {
	takes time.Duration
	fails bool
	part  bool
}
