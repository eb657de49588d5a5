package conformance

import (
	"fmt"
	"testing"
)

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	for _, c := range []struct {
		name string
		here bool // the backend has the feature
		f    func(*testing.T, Backend)
	}{
		{"EverythingIsDoneOnceAndCommitted", true, everythingOnce},
		{"PartitionsKeepTheirOrder", true, partitionOrder},
		{"KeysKeepTheirOrder", true, keyOrder},
		{"TheNextRunGoesOnFromWhatIsCommitted", true, resumes},
		{"NothingPastAnUnfinishedRecordIsCommitted", true, watermark},
		{"AtMostOncePassesOnlyWhatIsCommitted", true, atMostOnce},
		{"ARefusedCommitIsTriedAgain", b.FailCommits, commitAgain},
		{"ATopicThatIsMadeAgainIsReadFromItsBeginning", true, recreated},
		{"LagReachesZeroBehindGaps", b.Gaps, gaps},
		{"MembersShareThePartitionsWithoutDoingAnythingTwice", true, members},
		{"RevokedPartitionsAreDrained", true, revoked},
		{"AHaltedPartitionIsResumed", true, halted(false)},
		{"AHaltedPartitionIsSkipped", true, halted(true)},
		{"AWaitingRetryHoldsNobodyUp", true, retry},
		{"TheBudgetIsKept", true, budget},
		{"ADrainFinishesWhatHasBegun", true, drain},
		{"ADrainLeavesNothingToBeDoneTwice", true, drainTwice},
		{"ADrainThatTakesTooLongNamesWhatIsLeft", true, drainTimeout},
		{"ReadyTellsHowItStands", true, ready},
	} {
		if c.here {
			t.Run(c.name, func(t *testing.T) { c.f(t, b) })
		}
	}
}

// fill appends n records to each partition, with keys of which each partition has its own.
func fill(l Log, partitions, n int) {
	for p := range partitions {
		for i := range n {
			l.Append(p, fmt.Sprintf("p%dk%d", p, i%7), fmt.Sprint(i))
		}
	}
}

// allCommitted checks that everything is.
func allCommitted(t *testing.T, l Log, partitions int) {
	t.Helper()
	for p := range partitions {
		if got, end := l.Committed(p), l.End(p); got != end {
			t.Errorf("partition %d: committed %d, its end is %d", p, got, end)
		}
	}
}
