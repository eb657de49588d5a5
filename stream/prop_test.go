package stream_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"pgregory.net/rapid"

	"github.com/laneway-go/laneway/stream"
)

// casesByDefault of TestPromisesHold; -rapid.checks or RAPID_CHECKS asks for another number.
const casesByDefault = 3000

// TestPromisesHold runs random chains on random histories and compares what is seen with a naive
// model. A failure prints the case, which rapid has made as small as it could, and keeps it under
// testdata, from where it is tried again first.
func TestPromisesHold(t *testing.T) {
	if seen, enough := playAll(t, drawScenario); enough {
		seen.check(t)
	}
}

// playAll plays random cases and returns what they had, and whether they are enough to expect some
// of everything.
func playAll(t *testing.T, draw func(*rapid.T) *scenario) (seen *census, enough bool) {
	t.Helper()
	n := cases(t, casesByDefault)
	seen = new(census)
	start := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		sc := draw(rt)
		w := playCase(t, sc)
		seen.add(w.seen)
		if len(w.bad) > 0 {
			rt.Fatalf("%s\n%v", strings.Join(w.bad, "\n"), sc)
		}
	})
	t.Logf("%.0f cases a second; %v", float64(seen.all.Load())/time.Since(start).Seconds(), seen)
	return seen, n >= casesByDefault
}

// cases sets how many cases are tried, unless the command line or the environment does.
func cases(t *testing.T, n int) int {
	f := flag.Lookup("rapid.checks")
	if old := f.Value.String(); old == f.DefValue && os.Getenv("RAPID_CHECKS") == "" {
		if testing.Short() {
			n /= 10
		}
		if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set("rapid.checks", old) })
		return n
	}
	fmt.Sscan(f.Value.String(), &n)
	return n
}

// census counts what the cases had.
type census struct{ all, merged, branch, revoke, lose, crash, halt, park, hold, aside, stall, back, waiting, timeout atomic.Int64 }

func (c *census) add(s sightings) {
	c.all.Add(1)
	for n, had := range map[*atomic.Int64]bool{&c.merged: s.merged, &c.branch: s.branch, &c.revoke: s.revoke, &c.lose: s.lose, &c.crash: s.crash, &c.halt: s.halt, &c.park: s.park, &c.hold: s.hold, &c.aside: s.aside, &c.stall: s.stall, &c.back: s.back, &c.waiting: s.waiting, &c.timeout: s.timeout} {
		if had {
			n.Add(1)
		}
	}
}

func (c *census) share(n *atomic.Int64) float64 {
	return 100 * float64(n.Load()) / float64(c.all.Load())
}

func (c *census) String() string {
	return fmt.Sprintf("of %d cases %.0f %% had several sources, %.0f %% a branch, %.0f %% a revoke, %.0f %% a loss, %.0f %% a crash, %.0f %% a halt, %.0f %% a park, %.0f %% one by hand, %.0f %% a lane set aside, %.0f %% one that stalled, %.0f %% one read again, %.0f %% a waiting retry, %.0f %% a drain out of time",
		c.all.Load(), c.share(&c.merged), c.share(&c.branch), c.share(&c.revoke), c.share(&c.lose), c.share(&c.crash), c.share(&c.halt), c.share(&c.park), c.share(&c.hold), c.share(&c.aside), c.share(&c.stall), c.share(&c.back), c.share(&c.waiting), c.share(&c.timeout))
}

// check: a net that never sees a crash proves nothing about crashes.
func (c *census) check(t *testing.T) {
	for name, n := range map[string]*atomic.Int64{"merge": &c.merged, "branch": &c.branch, "revoke": &c.revoke, "crash": &c.crash, "halt": &c.halt, "park": &c.park, "park by hand": &c.hold, "waiting retry": &c.waiting} {
		if least := map[string]float64{"park": 3, "park by hand": 0.5}[name]; c.share(n) < cmp.Or(least, 7) {
			t.Errorf("only %.1f %% of the cases had a %s", c.share(n), name)
		}
	}
}

func (sc *scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d partitions of %d sources (apart %v), unique %v, in flight %d, waiting %d, drain %v, skip %v, ahead %d, builds %q\n", sc.parts, sc.sources, sc.apart, sc.unique, sc.inFlight, sc.waiting, sc.drain, sc.skip, sc.ahead, sc.builds)
	fmt.Fprintf(&b, "rests %v\nchain   %v\nrecords %+v\ncommits %+v\n", sc.rests, sc.words, sc.first, sc.commits)
	for s, t := range sc.trouble {
		fmt.Fprintf(&b, "trouble %+v %v\n", s, t)
	}
	for _, o := range sc.ops {
		fmt.Fprintf(&b, "op      %s after %v, life %d, partition %d, all %v, records %+v\n", opNames[o.kind], o.after, o.who, o.part, o.all, o.b)
	}
	return b.String()
}

// playCase plays a case in a bubble of virtual time.
func playCase(t *testing.T, sc *scenario) (w *world) {
	synctest.Test(t, func(*testing.T) {
		w = newWorld(sc) // its channels are the bubble's
		w.play()
	})
	return w
}

// play is the case: the records that are there, what happens to the group, and a last life that
// must finish everything.
func (w *world) play() {
	var wg conc.WaitGroup
	w.wg = &wg
	defer wg.Wait()
	for _, b := range w.sc.first {
		w.append(b)
	}
	lives := [2]*life{w.live()}
	if lives[0] == nil {
		return
	}
	defer func() {
		for _, l := range lives {
			w.stop(l, false)
		}
	}()
	w.assign(lives[0], w.free(lives[:]))
	for _, o := range w.sc.ops {
		time.Sleep(o.after)
		w.note(lives[:])
		w.do(o, lives[:])
	}
	if w.sc.rests {
		w.rest(lives[:])
	}
	for _, l := range lives {
		w.stop(l, false)
	}
	w.last()
}

// rest: what has finished is committed without any further event, but the wait of its commit.
func (w *world) rest(lives []*life) {
	commit := w.sc.words[w.m.commit]
	if commit.kind == commitEveryWord && commit.wait == 0 {
		return
	}
	states := func() map[string]stream.PartitionState {
		at := map[string]stream.PartitionState{}
		for i, l := range lives {
			if l == nil || l.gone() {
				continue
			}
			for _, s := range l.p.Snapshot().Partitions {
				at[fmt.Sprint(i, s.TopicPartition, s.Epoch)] = s
			}
		}
		return at
	}
	w.wait()
	before := states()
	time.Sleep(commit.wait + 30*time.Second) // refused commits are tried again in between
	w.note(lives)
	for which, now := range states() {
		was := before[which]
		if was.Totals.Finished > 0 && now.Committed < was.Watermark { // the first offset alone is not committed
			w.violate("%v had finished up to %d, and is committed to %d much later", now.TopicPartition, was.Watermark, now.Committed)
		}
	}
}

func (w *world) append(b batchOfRecords) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.gap > 0 {
		w.log.AppendGap(b.part, b.gap)
	}
	for range b.n {
		off := w.log.End(b.part)
		w.records = append(w.records, item{P: b.part, Off: off, Key: b.key})
		w.log.Append(b.part, b.key, item{})
	}
}

// free are the partitions without an owner.
func (w *world) free(lives []*life) (parts []int) {
	for p := range w.sc.parts {
		if !slices.ContainsFunc(lives, func(l *life) bool { return l != nil && !l.gone() && l.owns[p] }) {
			parts = append(parts, p)
		}
	}
	return parts
}

// note sees which partitions are halted now: nothing new may begin there.
func (w *world) note(lives []*life) {
	w.wait()
	for _, l := range lives {
		if l == nil || l.gone() {
			continue
		}
		hs := l.p.Halts()
		w.mu.Lock()
		for _, h := range hs {
			switch e := l.cur[h.Meta.Partition]; {
			case h.Scope != stream.ScopePartition:
				e.parks[parked(h)] = true
			case !e.asked && !ofSource(h):
				e.frozen = true
			}
		}
		w.mu.Unlock()
	}
}

// ofSource reports whether the reading has halted, not a record: what was fed before continues.
func ofSource(h stream.Halt) bool {
	return strings.HasPrefix(h.Step, "test log") || h.By != "" && h.Scope == stream.ScopePartition
}

// hold pauses a partition, or parks a key of it, for longer than the group has trouble.
func (w *world) hold(l *life, o op) {
	for _, q := range l.p.Snapshot().Partitions {
		if q.Partition != o.part {
			continue
		}
		until := time.Now().Add(2 * time.Second)
		if o.all {
			_ = l.p.Pause(q.TopicPartition, q.Epoch, "olaf", until)
		} else { // refused where an order of several keys is kept
			_ = l.p.Park(q.TopicPartition, q.Epoch, keyOf(item{Key: o.b.key}), "olaf", until)
		}
	}
}

// tune sets degrees up to those of the chain, or rates.
func (w *world) tune(l *life, o op) {
	s := l.p.Snapshot()
	if o.all {
		for _, d := range s.Degrees {
			if err := l.p.SetDegree(d.Step, d.Now, 1+(o.b.n+d.Now)%d.Built); err != nil && !errors.Is(err, stream.ErrNotRunning) {
				w.violate("the degree of %s is not set: %v", d.Step, err)
			}
		}
		return
	}
	for _, r := range s.Rates {
		if err := l.p.SetRate(r.Step, r.Now, float64(40*(o.b.n-1))); err != nil && !errors.Is(err, stream.ErrNotRunning) {
			w.violate("the rate of %q is not set: %v", r.Step, err)
		}
	}
}

func (w *world) do(o op, lives []*life) {
	l := lives[o.who]
	if l == nil || l.gone() {
		if o.kind != assignOp && o.kind != moveOp {
			return
		}
		if l = w.live(); l == nil {
			return
		}
		lives[o.who] = l
	}
	mine := slices.DeleteFunc([]int{0, 1, 2}, func(p int) bool { return !l.owns[p] || !o.all && p != o.part })
	switch o.kind {
	case appendOp:
		w.append(o.b)
	case assignOp:
		w.assign(l, w.free(lives))
	case moveOp:
		if from := lives[1-o.who]; from != nil && !from.gone() && from.owns[o.part] {
			w.revoke(from, []int{o.part}, 0)
		}
		w.assign(l, w.free(lives))
	case revokeOp:
		w.revoke(l, mine, 0)
	case hurryOp:
		w.revoke(l, mine, time.Millisecond)
	case loseOp:
		w.lose(l, mine)
	case crashOp, drainOp:
		w.stop(l, o.kind == crashOp)
		if lives[o.who] = w.live(); o.all {
			w.assign(lives[o.who], w.free(lives))
		}
	case resumeOp, skipOp:
		w.operate(l, o.kind == skipOp)
	case spoilOp:
		w.spoil(o.part, o.b.n)
	case holdOp:
		w.hold(l, o)
	case tuneOp:
		w.tune(l, o)
	case brokenOp:
		_ = l.m.Halt(o.part, w.log.End(o.part), 0, &fault{})
	}
}

// lastWait is how long the last life may take, in virtual time.
const lastWait = 10 * time.Minute

// last is the life that must finish everything, tried again as often as it fails: what was planned
// to fail is used up at some time.
func (w *world) last() {
	w.log.Finish()
	if w.parks() {
		w.sc.builds = nil // the source may end before anybody has released what was parked earlier
	}
	end := time.Now().Add(lastWait)
	for time.Now().Before(end) {
		l := w.live()
		w.assign(l, w.free(nil))
		for !l.done0() && time.Now().Before(end) {
			time.Sleep(50 * time.Millisecond)
			w.note([]*life{l})
			w.operate(l, w.sc.skip)
		}
		if !l.done0() {
			w.violate("stuck: %+v", snapshot(l.p))
			w.stop(l, true)
			return
		}
		if l.gone(); l.err == nil {
			w.audit()
			return
		}
	}
	w.violate("never through")
}

// snapshot is how the partitions stand, without their names' String.
func snapshot(p *stream.Pipeline) (s []string) {
	for _, q := range p.Snapshot().Partitions {
		s = append(s, fmt.Sprintf("%v %s watermark %d committed %d next %d end %d in flight %d", q.TopicPartition, q.State, q.Watermark, q.Committed, q.Next, q.End, q.InFlight))
	}
	return s
}

// audit: nothing lost.
func (w *world) audit() {
	for p := range w.sc.parts {
		if at, end := w.log.Committed(p), w.log.End(p); at != end && end > 0 {
			w.violate("partition %d is committed to %d of %d at the end", p, at, end)
		}
	}
	below := len(w.sc.words)
	if w.loss {
		below = w.m.commit
	}
	for _, it := range w.records {
		if !w.skipped[recordAt{it.P, it.Off}] && !w.m.finished(it, 0, below, w.ever) {
			w.violate("lost: %v", it)
		}
	}
}

// TestDrainDuringFeed plays the case in which a drain is asked for while the
// first records come in, again and again: what is fed, committed and kept back just then must be
// seen.
func TestDrainDuringFeed(t *testing.T) {
	n := 6000
	if testing.Short() {
		n /= 10
	}
	for range n {
		sc := &scenario{parts: 2, sources: 1, inFlight: 1, waiting: 3, drain: longDrain, trouble: map[spot]*trouble{}}
		sc.words = []word{{kind: commitEveryWord, n: 3, above: true}, {kind: byPartitionWord}, {kind: batchWord, n: 3}, {kind: concurrentWord, n: 1, taps: true},
			{kind: flattenWord}}
		for i := range sc.words {
			sc.words[i].at = i
		}
		sc.first = []batchOfRecords{{part: 1, n: 5, gap: 1}, {part: 1, key: "a", n: 2, gap: 1}}
		if w := playCase(t, sc); len(w.bad) > 0 {
			t.Fatalf("%s\n%v", strings.Join(w.bad, "\n"), sc)
		}
	}
}
