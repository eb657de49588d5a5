package stream_test

import (
	"strings"
	"testing"
	"time"
)

// skipCase is a life of one partition in which a record halts it, and an operator skips that.
func skipCase(ops ...op) *scenario {
	sc := &scenario{parts: 2, sources: 1, unique: true, inFlight: 2, waiting: 3, drain: longDrain, skip: true, trouble: map[spot]*trouble{}, ops: ops}
	sc.words = []word{{kind: byKeyWord}, {kind: concurrentWord, n: 2, taps: true, parts: 1}, {kind: haltWord}, {kind: commitEachWord}}
	for i := range sc.words {
		sc.words[i].at = i
	}
	return sc
}

func holds(t *testing.T, sc *scenario) {
	t.Helper()
	if w := playCase(t, sc); len(w.bad) > 0 {
		t.Fatalf("%s\n%v", strings.Join(w.bad, "\n"), sc)
	}
}

func TestSkipOfAssignment(t *testing.T) {
	// The commit is refused until the partition is lost, so the record comes again. A revoke before it
	// starts commits nothing of it.
	t.Run("is forgotten when it was never committed", func(t *testing.T) {
		sc := skipCase(
			// takes its turn from then on
			op{kind: appendOp, after: 5 * time.Millisecond, b: batchOfRecords{key: "b", n: 1}},
			op{kind: skipOp, after: 5 * time.Millisecond},
			op{kind: loseOp, after: time.Millisecond, part: 1},
			op{kind: assignOp, after: time.Millisecond},
			op{kind: revokeOp, part: 1})
		sc.first = []batchOfRecords{{part: 1, key: "a", n: 1}}
		sc.trouble[spot{1, 1, 0}] = &trouble{times: 1}
		sc.trouble[spot{1, 0, 0}] = &trouble{takes: 50 * time.Millisecond}
		sc.commits = []commitTrouble{{part: true}, {part: true}}
		holds(t, sc)
	})
	// It came too late.
	t.Run("skips nothing when it is refused", func(t *testing.T) {
		sc := skipCase(
			op{kind: resumeOp, after: 10 * time.Millisecond},
			op{kind: skipOp, after: time.Millisecond},
			op{kind: revokeOp, after: time.Millisecond, all: true})
		sc.first = []batchOfRecords{{part: 1, key: "a", n: 1}, {part: 1, key: "b", n: 1}}
		sc.trouble[spot{1, 1, 0}] = &trouble{times: 2}
		sc.trouble[spot{1, 1, 1}] = &trouble{takes: 50 * time.Millisecond}
		holds(t, sc)
	})
}
