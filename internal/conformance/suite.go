package conformance

import (
	"fmt"
	"testing"
)

// Run runs the suite, for a source alone and for one of two in a Merge.
func Run(t *testing.T, b Backend) {
	suite(t, b)
	t.Run("below a Merge", func(t *testing.T) { suite(t, b.merged()) })
}

func suite(t *testing.T, b Backend) {
	for _, c := range []struct {
		name string
		here bool // whether the backend has the feature
		f    func(*testing.T, Backend)
	}{
		{"finishes and commits every record once", true, everythingOnce},
		{"keeps the order of partitions", true, partitionOrder},
		{"keeps the order of keys", true, keyOrder},
		{"resumes at the committed offsets", true, resumes},
		{"commits nothing above an unfinished record", true, watermark},
		{"at most once commits before the handler", true, atMostOnce},
		{"retries a refused commit", b.FailCommits, commitAgain},
		{"reads a recreated topic from its start", true, recreated},
		{"lag reaches zero after gaps", b.Gaps, gaps},
		{"members share partitions without duplicates", true, members},
		{"drains revoked partitions", true, revoked},
		{"resumes a halted partition", true, halted(false)},
		{"skips a record of a halted partition", true, halted(true)},
		{"a retry does not delay other keys", true, retry},
		{"keeps MaxInFlight", true, budget},
		{"sets a parked key aside and reads it again", b.Rereads, setAside},
		{"a drain finishes started records", true, drain},
		{"a drain leaves nothing to redeliver", true, drainTwice},
		{"a drain that takes too long names its unfinished records", true, drainTimeout},
		{"Ready follows the life of a run", true, ready},
	} {
		if c.here {
			t.Run(c.name, func(t *testing.T) { c.f(t, b) })
		}
	}
}

// fill appends n records to each partition. Each partition has its own keys.
func fill(l Log, partitions, n int) {
	for p := range partitions {
		for i := range n {
			l.Append(p, fmt.Sprintf("p%dk%d", p, i%7), fmt.Sprint(i))
		}
	}
}

// allCommitted checks that each partition is committed to its end.
func allCommitted(t *testing.T, l Log, partitions int) {
	t.Helper()
	for p := range partitions {
		if got, end := l.Committed(p), l.End(p); got != end {
			t.Errorf("partition %d: committed %d, want %d", p, got, end)
		}
	}
}
