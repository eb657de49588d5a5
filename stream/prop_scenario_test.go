package stream_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// scenario is one random case.
type scenario struct {
	words    []word
	parts    int
	sources  int  // each has some of the partitions
	apart    bool // words above the Merge run by themselves
	unique   bool // no two calls end at the same time
	trouble  map[spot]*trouble
	commits  []commitTrouble // of each life
	inFlight int
	waiting  int
	drain    time.Duration
	first    []batchOfRecords
	ops      []op
	skip     bool // the last operator skips rather than resumes
	rests    bool // nothing happens for a while after ops
	ahead    int64
	builds   []string // of the lives, in turn
}

const longDrain = 25 * time.Second

// spot is a record at a word.
type spot struct {
	at, p int
	off   int64
}

// trouble is what the handlers at a spot do before they succeed.
type trouble struct {
	times     int
	permanent bool
	panics    bool
	takes     time.Duration
	deaf      bool // does not heed its context
}

func (t *trouble) String() string { return fmt.Sprintf("%+v", *t) }

type batchOfRecords struct {
	part int
	key  string
	n    int
	gap  int64
}

// op is one thing that happens to the group, after a while.
type op struct {
	kind  opKind
	after time.Duration
	who   int // which of the two lives
	part  int
	all   bool
	b     batchOfRecords
}

type opKind int

const (
	appendOp opKind = iota
	assignOp
	moveOp
	revokeOp
	hurryOp // revoke, with hardly any time
	loseOp
	crashOp
	drainOp
	resumeOp
	skipOp
	brokenOp // the source halts
	spoilOp  // a stored state is lost, damaged, or replaced by an old one
	holdOp   // an operator pauses a partition, or parks a key
	tuneOp   // an operator lowers degrees and raises them again, or sets rates
)

var opNames = [...]string{"append", "assign", "move", "revoke", "hurry", "lose", "crash", "drain", "resume", "skip", "broken", "spoil", "hold", "tune"}

func (o op) String() string { return fmt.Sprintf("%s(%+v)", opNames[o.kind], struct{ op }{o}.op.after) }

var propTimes = []time.Duration{0, time.Microsecond, time.Millisecond, 7 * time.Millisecond, 50 * time.Millisecond}

func oneOf[T any](t *rapid.T, name string, from ...T) T { return rapid.SampledFrom(from).Draw(t, name) }

// rarely is true once in n times; shrinking makes it false.
func rarely(t *rapid.T, n int, name string) bool { return rapid.IntRange(0, n-1).Draw(t, name) == n-1 }

func drawScenario(t *rapid.T) *scenario {
	sc := &scenario{parts: oneOf(t, "parts", 1, 2, 3), unique: rapid.Bool().Draw(t, "unique"), trouble: map[spot]*trouble{},
		inFlight: oneOf(t, "inFlight", 4096, 1, 2, 4, 9), waiting: oneOf(t, "waiting", 1024, 0, 1, 3), drain: longDrain, skip: rarely(t, 3, "skip")}
	sc.sources = min(sc.parts, oneOf(t, "sources", 1, 1, 2, 3))
	sc.builds = oneOf(t, "builds", []string{""}, []string{"v1"}, []string{"v1", "v2"})
	sc.ahead = oneOf(t, "ahead", int64(1000), 0, 3)
	if rarely(t, 6, "shortDrain") {
		sc.drain = oneOf(t, "drain", 5*time.Millisecond, 0)
	}
	parks := rarely(t, 2, "parks")
	sc.apart = sc.sources > 1 && !parks && rarely(t, 3, "apart") // works in an order of its own
	if sc.words = drawWords(t, parks); parks {
		sc.park()
	}
	for range rapid.IntRange(1, 6).Draw(t, "batches") {
		sc.first = append(sc.first, drawRecords(t, sc.parts))
	}
	for range rapid.IntRange(0, 8).Draw(t, "troubles") {
		sc.drawTrouble(t)
	}
	for range rapid.IntRange(0, 4).Draw(t, "commits") {
		sc.commits = append(sc.commits, commitTrouble{takes: oneOf(t, "takes", propTimes...), fails: rarely(t, 4, "fails"), part: rarely(t, 4, "part")})
	}
	for range rapid.IntRange(0, 8).Draw(t, "ops") {
		sc.ops = append(sc.ops, op{kind: opKind(rapid.IntRange(0, int(tuneOp)).Draw(t, "op")), after: oneOf(t, "after", propTimes...),
			who: rapid.IntRange(0, 1).Draw(t, "who"), part: rapid.IntRange(0, sc.parts-1).Draw(t, "part"), all: rapid.Bool().Draw(t, "all"),
			b: drawRecords(t, sc.parts)})
	}
	sc.rests = rarely(t, 4, "rests")
	return sc
}

func drawRecords(t *rapid.T, parts int) batchOfRecords {
	return batchOfRecords{part: rapid.IntRange(0, parts-1).Draw(t, "of"), key: oneOf(t, "key", "", "a", "b", "c"),
		n: rapid.IntRange(1, 5).Draw(t, "n"), gap: int64(rapid.IntRange(0, 2).Draw(t, "gap"))}
}

// drawTrouble plans for a word that can have it.
func (sc *scenario) drawTrouble(t *rapid.T) {
	var able []int
	for i, w := range sc.words {
		if w.calls() || w.kind == filterWord || w.forks() || w.kind == byFuncWord || w.kind == transformWord || w.kind == deadWord {
			able = append(able, i)
		}
	}
	if len(able) == 0 {
		return
	}
	at := oneOf(t, "at", able...)
	tr := &trouble{times: oneOf(t, "times", 1, 0, 2, 3, 5), permanent: rarely(t, 5, "permanent"), panics: rarely(t, 5, "panics"),
		takes: oneOf(t, "takes", propTimes...), deaf: rarely(t, 4, "deaf")}
	if w := sc.words[at]; w.forks() || w.kind == filterWord || w.kind == byFuncWord {
		tr.panics = true
	}
	b := oneOf(t, "near", sc.first...)
	sc.trouble[spot{at, b.part, int64(rapid.IntRange(0, 9).Draw(t, "off"))}] = tr
}
