package stream_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// drawWords makes a chain that Build must take: groupings where the order that they promise reaches
// them, policies that a failure can reach, a commit in one place.
//
// With parks it has one order, as a ParkOnError needs.
func drawWords(t *rapid.T, parks bool) []word {
	d := &drawer{t: t, parks: parks}
	n := rapid.IntRange(1, 5).Draw(t, "segments")
	commit := n // behind all of it
	if parks && !rarely(t, 4, "ungrouped") {
		d.add(word{kind: byKeyWord})
		d.group, d.grouped = byKeyWord, true
	}
	if !parks && rarely(t, 4, "atMostOnce") {
		commit, d.gated = rapid.IntRange(0, n-1).Draw(t, "commitAt"), true
	}
	for i := range n {
		if i == commit {
			d.commit()
		}
		d.segment()
	}
	d.flatten()
	if commit == n {
		d.commit()
	}
	for i := range d.words {
		d.words[i].at = i
	}
	return d.words
}

type drawer struct {
	t         *rapid.T
	parks     bool
	words     []word
	group     kind // byPartitionWord, byKeyWord, byFuncWord; ungroupWord: none
	grouped   bool
	lost      bool // by unordered work
	batched   bool // once a batch, no key
	open      bool // a batch
	whole     bool // its elements are as the Batch made them
	gated     bool // there is work below the commit
	committed bool
	failing   bool // a step is above that no policy ends
	again     bool // and that can be tried again
	nested    int  // in so many branches
}

func (d *drawer) add(w word) { d.words = append(d.words, w) }

func (d *drawer) commit() {
	d.flatten()
	d.committed = true
	if rapid.Bool().Draw(d.t, "each") {
		d.add(word{kind: commitEachWord, above: d.gated})
		return
	}
	d.add(word{kind: commitEveryWord, above: d.gated, n: oneOf(d.t, "every", 1, 3, 10), wait: oneOf(d.t, "wait", 5*time.Millisecond, 0)})
}

func (d *drawer) flatten() {
	if d.open {
		d.add(word{kind: flattenWord})
		d.open, d.failing, d.again = false, true, true
	}
}

// segment is a grouping now and then, a step, and its policies now and then.
func (d *drawer) segment() {
	if !d.open && d.nested < 3 && rarely(d.t, 5, "fork") {
		d.fork()
		return
	}
	if !d.parks && rapid.Bool().Draw(d.t, "group") {
		d.drawGroup()
	}
	w := word{kind: oneOf(d.t, "step", concurrentWord, serialWord, concurrentWord, mapWord, concurrentWord, filterWord, flatMapWord, batchWord, toWord,
		transformWord, throttleWord), wrapped: rarely(d.t, 6, "wrapped"), taps: rapid.Bool().Draw(d.t, "taps")}
	if w.kind == batchWord && d.gated && !d.committed {
		// a batch that waits for its commit is cut in two by a drain: what was committed of it is
		// lost, as it may be
		w.kind = mapWord
	}
	if d.open {
		switch w.kind {
		case filterWord, flatMapWord, batchWord, transformWord:
			d.flatten()
		}
	}
	switch w.kind {
	case concurrentWord:
		w.n = oneOf(d.t, "n", 2, 1, 3, 8)
		if !d.grouped {
			if w.keep = !d.parks && rapid.Bool().Draw(d.t, "keep"); !w.keep {
				d.lost = true
			}
		}
	case batchWord:
		d.whole = true
		w.n, w.wait = oneOf(d.t, "size", 2, 3, 1, 20), oneOf(d.t, "linger", time.Millisecond, 0, 20*time.Millisecond)
		d.open, d.batched = true, true
	case throttleWord:
		w.n = 2
	case toWord:
		w.bisect = rapid.Bool().Draw(d.t, "bisect")
	}
	if (w.kind == concurrentWord || w.kind == serialWord) && rarely(d.t, 4, "inTurn") {
		w.parts = oneOf(d.t, "maxPartitions", 1, 2)
	}
	if d.open && d.whole && w.mapsOrTaps() {
		w.bisect = rapid.Bool().Draw(d.t, "bisect")
		d.whole = w.taps && w.isDegree()
	}
	d.add(w)
	d.failing = d.failing || w.kind != batchWord && w.kind != throttleWord
	d.again = d.again || w.calls() || w.kind == filterWord
	if d.failing && !rarely(d.t, 3, "noPolicy") {
		d.policies()
	}
}

func (d *drawer) drawGroup() {
	kinds := []kind{byPartitionWord, byFuncWord}
	if !d.batched {
		kinds = append(kinds, byKeyWord)
	}
	k := oneOf(d.t, "grouping", kinds...)
	if k == byFuncWord {
		d.flatten() // the model knows no group of a batch
	}
	refused := d.lost || d.grouped && (d.group == byFuncWord || d.group == byKeyWord && k != byKeyWord)
	if refused {
		d.add(word{kind: ungroupWord})
		d.grouped, d.lost = false, false
		if rapid.Bool().Draw(d.t, "stay") {
			return
		}
	}
	d.add(word{kind: k})
	d.group, d.grouped, d.lost = k, true, false
	d.failing, d.again = d.failing || k == byFuncWord, d.again || k == byFuncWord
}

// policies are an escalation that ends, so that all of it can be reached.
func (d *drawer) policies() {
	if d.again && rapid.Bool().Draw(d.t, "retry") {
		d.add(word{kind: retryWord, n: oneOf(d.t, "attempts", 2, 3, 1, 6), wait: oneOf(d.t, "backoff", propTimes...), when: rarely(d.t, 4, "when")})
	}
	kinds := []kind{skipWord, deadWord, failWord}
	if !d.committed {
		kinds = append(kinds, haltWord, haltWord, haltWord)
	}
	k := oneOf(d.t, "ends", kinds...)
	if rarely(d.t, 4, "when") {
		d.add(word{kind: k, when: true})
		k = oneOf(d.t, "then", kinds...)
	}
	d.add(word{kind: k})
	d.failing, d.again = false, false
}

// fork is a branch, and its policies now and then.
func (d *drawer) fork() {
	at := len(d.words)
	d.add(word{kind: oneOf(d.t, "fork", alsoWord, divertWord), wrapped: rarely(d.t, 6, "wrapped")})
	b := *d
	b.nested, b.failing, b.again = d.nested+1, false, false
	for range rapid.IntRange(1, 2).Draw(d.t, "segments") {
		b.segment()
	}
	b.flatten()
	if !slices.ContainsFunc(b.words[at+1:], func(w word) bool {
		return w.isDegree() || w.kind == toWord || w.kind == transformWord || w.kind == mapWord && w.taps
	}) {
		b.add(word{kind: mapWord, taps: true})
	}
	d.words = b.words
	d.words[at].branch = len(d.words) - at - 1
	d.failing, d.again = true, true
	if !rarely(d.t, 3, "noPolicy") {
		d.policies()
	}
}
