package stream_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSameResultFusedOrNot writes each Map of a random chain as a MapSerial too, which gives it a
// stage of its own: both must do the same, give the same up, and bring the same to the end.
func TestSameResultFusedOrNot(t *testing.T) {
	cases(t, 3000)
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		sc := drawScenario(rt)
		steady(sc)
		// there, what fails with what is a matter of time
		together := func(w word) bool { return w.kind == batchWord || w.kind == toWord || w.forks() }
		if slices.ContainsFunc(sc.words, together) || !slices.ContainsFunc(sc.words, func(w word) bool { return w.kind == mapWord }) {
			return
		}
		apart := *sc
		apart.words = slices.Clone(sc.words)
		for i := range apart.words {
			if apart.words[i].kind == mapWord {
				apart.words[i].kind, apart.words[i].taps = serialWord, false
			}
		}
		a, b := playCase(t, sc), playCase(t, &apart)
		if bad := slices.Concat(a.bad, b.bad); len(bad) > 0 {
			rt.Fatalf("%v\n%v", bad, sc)
		}
		compared++
		if !maps.Equal(a.ever.done, b.ever.done) || !maps.Equal(a.ever.gone, b.ever.gone) {
			rt.Fatalf("done fused %v, apart %v; given up fused %v, apart %v\n%v", len(a.ever.done), len(b.ever.done), len(a.ever.gone), len(b.ever.gone), sc)
		}
	})
	t.Logf("%d cases compared", compared)
}

// steady makes a case whose result does not depend on time: what fails does so for ever, and is
// given up.
func steady(sc *scenario) {
	sc.ops, sc.drain = nil, longDrain
	for i, w := range sc.words {
		if w.kind == haltWord || w.kind == parkWord || w.kind == failWord {
			sc.words[i].kind = skipWord
		}
	}
	for at, tr := range sc.trouble {
		ends := func(w word) bool { return (w.kind == skipWord || w.kind == deadWord) && !w.when }
		if tr.times = 1 << 30; sc.words[at.at].kind == deadWord || !slices.ContainsFunc(sc.words[at.at:], ends) {
			delete(sc.trouble, at)
		}
	}
}
