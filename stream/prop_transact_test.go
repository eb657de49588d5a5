package stream_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/laneway-go/laneway/stream"
)

// transfer is a random chain that ends in transactions, and a random history of its workers.
type transfer struct {
	parts, records      int
	filter, spread      bool
	batch               int // 0: none
	group               int // none, partition, key
	degree, size        int
	wait                time.Duration
	apart               bool
	most, inFlight      int
	failing, skip, halt bool // handlers fail now and then; what becomes of it then
	// transactions that fail, and that succeed and fail to say so: in percent
	refused, unanswered int
	poison              int  // no transaction is written with one in so many records; 0: there is none
	slow                bool // transactions take their time, and do not heed their context
	long                bool // so do handlers
	above               int  // what else is above: nothing, Throttle, To, Transform, KeepOrder
	branch              int  // none, in the worker of its fork, by itself, with batches
	ends                bool // the source has no more in the end
	builds              int  // that know of each other's halts; 0: halts are not stored
	ops                 []int
	seed                uint64
	sources             int // each has some of the partitions
	stale               int // transactions refused for the generation of one source, in percent
}

func drawTransfer(t *rapid.T) transfer {
	yes, n := rapid.Bool(), func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	return transfer{
		parts: n("partitions", 1, 3), records: n("records", 1, 14), filter: yes.Draw(t, "filter"), spread: yes.Draw(t, "spread"),
		batch: max(0, n("batch", -2, 3)), group: n("group", 0, 2), degree: n("degree", 1, 4), size: n("size", 1, 5),
		wait:  rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, time.Second}).Draw(t, "wait"),
		apart: yes.Draw(t, "apart"), most: n("most", 0, 2), inFlight: rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "in flight"),
		failing: yes.Draw(t, "failing"), skip: yes.Draw(t, "skip"), halt: yes.Draw(t, "halt"),
		refused: rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "refused"), unanswered: rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "unanswered"),
		poison: rapid.SampledFrom([]int{0, 3, 5, 8}).Draw(t, "poison"), slow: yes.Draw(t, "slow"), long: yes.Draw(t, "long"), above: n("above", 0, 4), branch: n("branch", 0, 3), ends: yes.Draw(t, "ends"),
		builds: n("builds", 0, 2),
		ops:    rapid.SliceOfN(rapid.IntRange(0, 8), 0, 8).Draw(t, "ops"), seed: rapid.Uint64().Draw(t, "seed"),
		sources: n("sources", 1, 3), stale: rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "stale"),
	}
}

// TestEachResultIsStoredExactlyOnce runs random chains into a store that keeps offsets and results
// together, through retries, halts, rebalances, losses, crashes and zombies. Whatever happens, each
// record's results are stored once, those of a lane in order, and no transaction holds a result of
// a record that is not in it.
func TestEachResultIsStoredExactlyOnce(t *testing.T) {
	cases(t, 1500)
	rapid.Check(t, func(rt *rapid.T) {
		tr := drawTransfer(rt)
		var bad []string
		synctest.Test(t, func(t *testing.T) { bad = tr.play(t) })
		if len(bad) > 0 {
			rt.Fatalf("%s\n%+v", strings.Join(bad, "\n"), tr)
		}
	})
}

// till is the world that a transfer happens in.
type till struct {
	transfer
	log   topics[string]
	store *database

	mu     sync.Mutex // guards what follows
	rnd    *rand.Rand
	calm   bool // nothing fails any more
	failed map[string]bool
	given  map[string]bool // records that an operator has given up
	bad    []string
}

func (w *till) chance(percent int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calm && w.rnd.IntN(100) < percent
}

func (w *till) jitter() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rnd.IntN(30)) * time.Millisecond
}

func (w *till) handle(c ctx, v string) (string, error) {
	takes := w.jitter()
	if w.long {
		takes *= 10
	}
	return w.within(c, v, takes)
}

// within takes a while, and fails the first time for some.
func (w *till) within(c ctx, v string, takes time.Duration) (string, error) {
	select {
	case <-time.After(takes):
	case <-c.Done():
		return "", context.Cause(c)
	}
	if w.failing && strings.HasSuffix(v, "3") {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.failed[v] && !w.calm || w.skip {
			w.failed[v] = true
			return "", errBoom
		}
	}
	return v, nil
}

// Commit is the store's, with its troubles.
func (w *till) commit(c ctx, tx stream.Txn[string]) error {
	if w.chance(w.refused) {
		return errBoom
	}
	if w.chance(w.stale) {
		return staleOf(tx)
	}
	for _, e := range tx.Elems {
		if w.poisoned(e.Value) {
			return errPoison
		}
	}
	if w.slow {
		time.Sleep(w.jitter())
		c = context.WithoutCancel(c)
	}
	err := w.store.Commit(c, tx)
	if err == nil && w.chance(w.unanswered) {
		return errors.New("no answer")
	}
	return err
}

// staleOf refuses a transaction for the generation of one of its sources.
func staleOf(tx stream.Txn[string]) error {
	parts := slices.Collect(maps.Keys(tx.Offsets))
	source := parts[0].Source
	return &stream.StaleGroupError{Partitions: slices.DeleteFunc(parts, func(p tp) bool { return p.Source != source }), Err: errBoom}
}

var errPoison = errors.New("something in it cannot be stored")

// poisoned reports whether a result cannot be written by any transaction. That is fixed in the
// end.
func (w *till) poisoned(v string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range strings.SplitSeq(v, "+") {
		record, _, _ := strings.Cut(one, "/")
		_, i, _ := strings.Cut(record, ".")
		if n, _ := strconv.Atoi(i); w.poison > 0 && !w.calm && n%w.poison == w.poison-1 {
			return true
		}
	}
	return false
}

// tillStore is the store as one pipeline has it.
type tillStore struct {
	*till
	inside *atomic.Int32 // Commits in progress
}

func (s tillStore) Commit(c ctx, tx stream.Txn[string]) error {
	defer s.inside.Add(-1)
	if s.inside.Add(1) > 1 && !s.apart {
		s.store.blame("two Commits at once")
	}
	return s.commit(c, tx)
}
func (s tillStore) PerPartition() bool { return s.apart }
func (s tillStore) StateBytes() int    { return min(s.builds, 1) * 4000 }
func (s tillStore) Restore(c ctx, ps map[tp]stream.TopicID) (map[tp]stream.Position, error) {
	if s.slow {
		time.Sleep(s.jitter())
	}
	if s.chance(s.refused) {
		return nil, errBoom
	}
	return s.store.Restore(c, ps)
}

func (w *till) chain() stream.Stream[string] {
	s := w.source()
	drops := func(v string) bool { return strings.HasSuffix(v, "1") }
	switch {
	case w.filter && w.branch > 0:
		s = s.DivertTo(drops, w.beside)
	case w.filter:
		s = s.Filter(func(v string) bool { return !drops(v) })
	}
	if w.spread {
		s = s.FlatMap(func(_ ctx, v string) (seq[string], error) {
			return slices.Values([]string{v + "/1", v + "/2", v + "/3"}), nil
		})
	}
	switch w.group {
	case 1:
		s = s.GroupByPartition()
	case 2:
		s = s.GroupByKey()
	}
	if w.branch > 0 {
		s = s.AlsoTo(w.beside)
	}
	if w.above == 4 && w.group == 0 {
		s = s.MapConcurrent(w.degree, w.handle, stream.KeepOrder())
	} else {
		s = s.MapConcurrent(w.degree, w.handle)
	}
	switch {
	case w.skip:
		s = s.SkipOnError()
	case w.halt:
		s = s.HaltOnError()
	default:
		s = s.RetryOnError(every(5*time.Millisecond, 1000))
	}
	switch w.above {
	case 1:
		s = s.Throttle(100, 2)
	case 2:
		s = s.To(sinkFunc[string](func(context.Context, []stream.Out[string]) error { time.Sleep(w.jitter()); return nil }))
	case 3:
		s = s.Transform("door", func(_ ctx, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
			for e := range in {
				out <- e
			}
			return nil
		})
	}
	if w.batch > 0 {
		s = s.Batch(w.batch, 50*time.Millisecond).Map(func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil })
	}
	var opts []stream.DegreeOption
	if w.most > 0 {
		opts = append(opts, stream.MaxPartitions(w.most))
	}
	return s.CommitWith(tillStore{w, new(atomic.Int32)}, w.size, w.wait, opts...).RetryOnError(every(20*time.Millisecond, 2)).HaltOnError()
}

// source is the sources of the chain, which are replaced.
func (w *till) source() strs {
	if len(w.log) == 1 {
		return input
	}
	var all []strs
	for i := range w.log {
		all = append(all, from().As(sourceName(i)))
	}
	return stream.Merge(all...)
}

// beside is a branch, whose handlers fail now and then.
func (w *till) beside(s strs) strs {
	look := func(c ctx, v string) error {
		_, err := w.within(c, "beside "+v, w.jitter()/10)
		if w.skip {
			err = nil
		}
		return err
	}
	switch w.branch {
	case 1:
		return s.Tap(look).HaltOnError()
	case 2:
		return s.Concurrent(2, look).RetryOnError(every(5*time.Millisecond, 1000))
	}
	return s.Batch[[]string](2, 20*time.Millisecond).FlatMap(flat).Tap(look).RetryOnError(every(5*time.Millisecond, 1000))
}

// teller is one worker.
type teller struct {
	m     members[string]
	p     *stream.Pipeline
	stop  context.CancelFunc
	ended chan error
	parts map[int]bool

	mu     sync.Mutex  // guards fenced
	fenced map[tp]bool // partitions that are to restart
}

func (w *till) hire(t *testing.T) *teller {
	te := &teller{m: w.log.Member(), ended: make(chan error, 1), parts: map[int]bool{}, fenced: map[tp]bool{}}
	build := fmt.Sprint("v", int(w.jitter()/time.Millisecond)%max(1, w.builds))
	var err error
	te.p, err = w.chain().Build(te.m.options(stream.MaxInFlight(w.inFlight), stream.BuildID(build),
		stream.Observe(stream.Observer{Event: w.hear}), stream.Observe(stream.Observer{Event: te.hear}))...)
	if err != nil {
		t.Fatal(err)
	}
	c, cancel := context.WithCancel(t.Context())
	te.stop = cancel
	go func() { te.ended <- te.p.Run(c) }()
	return te
}

// hear notes which partitions are to restart.
func (te *teller) hear(e stream.Event) {
	te.mu.Lock()
	defer te.mu.Unlock()
	switch e := e.(type) {
	case stream.Lost:
		if _, fenced := errors.AsType[*stream.FencedError](e.Err); fenced {
			te.fenced[e.TopicPartition] = true
		}
	case stream.Assigned:
		delete(te.fenced, e.TopicPartition)
	}
}

// hear notes what an operator has given up.
func (w *till) hear(e stream.Event) {
	if s, ok := e.(stream.Skipped); ok && !(w.skip && s.Step != "commitwith") {
		w.mu.Lock()
		v := fmt.Sprintf("%c%d.%d", 'a'+s.Meta.Offset%3, s.Meta.Partition, s.Meta.Offset)
		w.given[v] = true
		if s.Step == "commitwith" && errors.Is(s.Err, errPoison) && w.refused == 0 && w.batch == 0 && int(s.Meta.Offset)%w.poison != w.poison-1 {
			w.bad = append(w.bad, v+" was given up, which is good")
		}
		w.mu.Unlock()
	}
}

func (te *teller) leave() error {
	te.stop()
	return <-te.ended
}

func (tr transfer) play(t *testing.T) (bad []string) {
	w := &till{transfer: tr, log: newTopics[string](min(tr.sources, tr.parts), tr.parts, nil), store: newDatabase(), rnd: rand.New(rand.NewPCG(tr.seed, 1)), failed: map[string]bool{}, given: map[string]bool{}}
	w.store.apart, w.store.shared = tr.apart, true
	for p := range tr.parts {
		for i := range tr.records {
			put(w.log.of(p), p, fmt.Sprintf("%c%d.%d", 'a'+i%3, p, i))
		}
	}
	tellers := [2]*teller{w.hire(t), w.hire(t)}
	for p := range tr.parts {
		must(t, tellers[p%2].m.Assign(p))
		tellers[p%2].parts[p] = true
	}
	for i, op := range tr.ops {
		time.Sleep(w.jitter())
		te, other := tellers[i%2], tellers[(i+1)%2]
		held := slices.Sorted(maps.Keys(te.parts))
		switch {
		case op == 0: // a crash: everything goes to the other one
			te.m.Crash()
			tellers[i%2] = w.hire(t)
			w.move(t, held, te, other)
		case op == 1 && len(held) > 0: // given up by the group, and a zombie for a while
			must(t, te.m.Lose(held[0]))
			w.move(t, held[:1], te, other)
		case op == 2 && len(held) > 0:
			must(t, te.m.Revoke(0, held...))
			w.move(t, held, te, other)
		case op == 3 && len(held) > 0:
			must(t, te.m.Revoke(5*time.Millisecond, held[0]))
			w.move(t, held[:1], te, other)
		case op == 7: // a deployment
			if err := te.leave(); err != nil && !errors.Is(err, stream.ErrDrain) {
				bad = append(bad, fmt.Sprintf("Run returned %v", err))
			}
			tellers[i%2] = w.hire(t)
			w.move(t, held, te, other)
		case op == 8:
			for _, h := range te.p.Halts() {
				_ = te.p.Skip(h)
			}
		default:
			for _, h := range te.p.Halts() {
				_ = te.p.Resume(h) // it may be another by now
			}
		}
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	for range 1000 { // 42 records of three results that take up to 0.3 s each, one after the other
		time.Sleep(100 * time.Millisecond)
		if w.through(tellers[:]) {
			break
		}
		for _, te := range tellers {
			for _, h := range te.p.Halts() {
				_ = te.p.Resume(h)
			}
		}
	}
	if synctest.Wait(); tr.ends {
		w.log.Finish()
		synctest.Wait()
	}
	for _, te := range tellers {
		err := te.leave()
		if len(te.fenced) > 0 { // there was no time to restart a partition: the next life does, or the other one had it
			next := w.hire(t)
			must(t, next.m.Assign(slices.Sorted(maps.Keys(te.parts))...))
			time.Sleep(20 * time.Second)
			err = next.leave()
		}
		if err != nil && !errors.Is(err, stream.ErrDrain) { // a revoke may have had too little time
			bad = append(bad, fmt.Sprintf("Run returned %v", err))
		}
	}
	return append(bad, w.check()...)
}

// through reports whether the offset of every record is stored.
func (w *till) through(tellers []*teller) bool {
	n := 0
	for _, te := range tellers {
		for _, p := range te.p.Snapshot().Partitions {
			if p.Committed >= int64(w.records) {
				n++
			}
		}
	}
	return n == w.parts
}

func (w *till) move(t *testing.T, parts []int, from, to *teller) {
	must(t, to.m.Assign(parts...))
	for _, p := range parts {
		delete(from.parts, p)
		to.parts[p] = true
	}
}

// check compares what is stored with what ought to be.
func (w *till) check() (bad []string) {
	bad = append(w.bad, w.store.faults()...)
	times := map[string]int{}
	last := map[string]int{} // of a key of a partition: the last record stored
	for _, v := range w.store.stored() {
		for _, one := range strings.Split(v, "+") {
			times[one]++
			record, _, _ := strings.Cut(one, "/")
			lane, i, _ := strings.Cut(record, ".")
			if w.group == 1 {
				lane = lane[1:]
			}
			n := 0
			fmt.Sscan(i, &n)
			if w.group > 0 && n < last[lane] {
				bad = append(bad, fmt.Sprintf("%s is stored behind record %d of its lane", one, last[lane]))
			}
			last[lane] = n
		}
	}
	for p := range w.parts {
		for i := range w.records {
			v := fmt.Sprintf("%c%d.%d", 'a'+i%3, p, i)
			results := []string{v}
			if w.spread {
				results = []string{v + "/1", v + "/2", v + "/3"}
			}
			for _, one := range results {
				want := 1
				if w.filter && strings.HasSuffix(v, "1") || w.failing && w.skip && strings.HasSuffix(one, "3") {
					want = 0
				}
				if times[one] != want && !(w.given[v] && times[one] == 0) {
					bad = append(bad, fmt.Sprintf("%s is stored %d times, want %d", one, times[one], want))
				}
			}
		}
		of := tp{Topic: "t", Partition: p}
		if n := len(w.log); n > 1 {
			of.Source = sourceName(p % n)
		}
		if at := w.store.at[of].Offset; at != int64(w.records) {
			bad = append(bad, fmt.Sprintf("partition %d: %d is stored, want %d", p, at, w.records))
		} else if group := w.log.Committed(p); group != at {
			bad = append(bad, fmt.Sprintf("partition %d: %d is stored, the group has %d", p, at, group))
		}
	}
	return bad
}
