package stream_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSetAsideHolds is TestPromisesHold for chains that park keys, or try them again for long, in
// partitions that have little room for what waits.
func TestSetAsideHolds(t *testing.T) {
	if seen, enough := playAll(t, drawAside); enough && (seen.share(&seen.aside) < 20 || seen.share(&seen.stall) < 8 || seen.share(&seen.back) < 10) {
		t.Error("too few lanes were set aside, or read again")
	}
}

func drawAside(t *rapid.T) *scenario {
	sc := &scenario{parts: oneOf(t, "parts", 1, 2), sources: 1, unique: rapid.Bool().Draw(t, "unique"), trouble: map[spot]*trouble{},
		inFlight: oneOf(t, "inFlight", 4, 1, 2, 9, 32), waiting: oneOf(t, "waiting", 1024, 0, 1), drain: longDrain, skip: rarely(t, 3, "skip"), ahead: 1000}
	sc.sources = min(sc.parts, oneOf(t, "sources", 1, 2))
	sc.builds = oneOf(t, "builds", []string{"v1"}, []string{""}, []string{"v1", "v2"})
	if rarely(t, 6, "shortDrain") {
		sc.drain = oneOf(t, "drain", 5*time.Millisecond, 0)
	}
	patient := rarely(t, 3, "patient")
	sc.words = drawParking(t, patient)
	if !rarely(t, 4, "halts") {
		sc.park()
	}
	for range rapid.IntRange(2, 8).Draw(t, "batches") {
		sc.first = append(sc.first, drawHot(t, sc.parts))
	}
	for range rapid.IntRange(1, 6).Draw(t, "troubles") {
		b := oneOf(t, "near", sc.first...)
		at := oneOf(t, "at", sc.calls()...)
		sc.trouble[spot{at, b.part, int64(rapid.IntRange(0, 30).Draw(t, "off"))}] = &trouble{times: rapid.IntRange(1, 3).Draw(t, "times"),
			permanent: !patient && rapid.Bool().Draw(t, "permanent"), takes: oneOf(t, "takes", propTimes...), deaf: rarely(t, 6, "deaf")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "commits") {
		sc.commits = append(sc.commits, commitTrouble{takes: oneOf(t, "takes", propTimes...), fails: rarely(t, 4, "fails")})
	}
	for range rapid.IntRange(0, 14).Draw(t, "ops") {
		kind := oneOf(t, "op", resumeOp, appendOp, assignOp, moveOp, revokeOp, hurryOp, loseOp, crashOp, drainOp, resumeOp, skipOp, spoilOp, brokenOp, holdOp, holdOp)
		sc.ops = append(sc.ops, op{kind: kind, after: oneOf(t, "after", append(propTimes, stallTime)...), who: rapid.IntRange(0, 1).Draw(t, "who"),
			part: rapid.IntRange(0, sc.parts-1).Draw(t, "part"), all: rapid.Bool().Draw(t, "all"), b: drawHot(t, sc.parts)})
	}
	return sc
}

// stallTime is how long an element has to fail before its lane stalls.
const stallTime = time.Second

// drawHot draws many records of few keys.
func drawHot(t *rapid.T, parts int) batchOfRecords {
	return batchOfRecords{part: rapid.IntRange(0, parts-1).Draw(t, "of"), key: oneOf(t, "key", "a", "b", "a", ""),
		n: rapid.IntRange(1, 8).Draw(t, "n"), gap: int64(max(0, rapid.IntRange(-3, 2).Draw(t, "gap")))}
}

// drawParking draws a chain whose first step parks keys. A patient one tries again for long before.
func drawParking(t *rapid.T, patient bool) []word {
	d := &drawer{t: t, parks: true, group: byKeyWord, grouped: true}
	d.add(word{kind: byKeyWord})
	if rarely(t, 3, "batch") {
		d.add(word{kind: batchWord, n: oneOf(t, "size", 2, 3), wait: time.Millisecond})
		d.open, d.batched = true, true
	}
	taps := rapid.Bool().Draw(t, "taps")
	d.add(word{kind: concurrentWord, n: oneOf(t, "n", 2, 1, 3), taps: taps})
	d.whole = d.open && taps
	switch {
	case patient:
		d.add(word{kind: retryWord, n: oneOf(t, "attempts", 4, 2), wait: oneOf(t, "backoff", stallTime, 3*stallTime, stallTime/2)})
	case rarely(t, 3, "retry"):
		d.add(word{kind: retryWord, n: 2, wait: oneOf(t, "backoff", propTimes...)})
	}
	d.add(word{kind: haltWord})
	for range rapid.IntRange(0, 2).Draw(t, "segments") {
		d.segment()
	}
	d.commit()
	for i := range d.words {
		d.words[i].at = i
	}
	return d.words
}

// calls returns the words that call something.
func (sc *scenario) calls() (at []int) {
	for i, w := range sc.words {
		if w.calls() {
			at = append(at, i)
		}
	}
	return at
}
