package stream_test

import (
	"testing"
	"time"
)

// What the last flush of a run waits for may be stored by another request: the retry of a refused
// commit, here while a park by hand is stored.
func TestLastFlush(t *testing.T) {
	t.Run("ends where the retry of a refused commit has stored what it waits for", func(t *testing.T) {
		sc := &scenario{parts: 3, sources: 1, unique: true, inFlight: 4096, waiting: 1024, drain: longDrain, ahead: 1000, builds: []string{""},
			trouble: map[spot]*trouble{{2, 0, 5}: {times: 2, takes: 7 * time.Millisecond}, {1, 0, 3}: {times: 2, takes: time.Microsecond}},
			words:   []word{{kind: byKeyWord}, {kind: concurrentWord, n: 1}, {kind: serialWord, parts: 2, taps: true}, {kind: parkWord}, {kind: commitEveryWord, n: 10}}}
		for i := range sc.words {
			sc.words[i].at = i
		}
		sc.first = []batchOfRecords{{part: 0, n: 1}, {part: 1, key: "a", n: 1, gap: 1}}
		sc.commits = []commitTrouble{{fails: true}, {takes: 50 * time.Millisecond}}
		sc.ops = []op{{kind: skipOp, part: 2, b: batchOfRecords{n: 1, gap: 2}},
			{kind: resumeOp, after: time.Microsecond, who: 1, part: 1, all: true, b: batchOfRecords{part: 1, key: "a", n: 2}},
			{kind: holdOp, part: 2, b: batchOfRecords{part: 0, n: 4}}}
		for range 20 { // the order of what happens at one time differs
			holds(t, sc)
		}
	})
}
