package conformance

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// Backend is a source and what it reads from. Parts of the suite run only where a feature is there.
type Backend struct {
	// an empty log that no other test has, and a group of its own
	Open func(t *testing.T, partitions int) Log

	Gaps        bool // Log.Gap works
	FailCommits bool // Log.FailCommits works
}

// Log is partitions of records, and the group that reads them.
type Log interface {
	// returns when they can be read, at the next offsets
	Append(partition int, key string, values ...string)
	// adds offsets, at least n, that hold no record for a reader
	Gap(partition int, n int)
	End(partition int) int64       // the offset behind all that
	Committed(partition int) int64 // by the group; -1: nothing
	// the next n requests are refused, in a way that a later try may not be
	FailCommits(n int)
	// deletes the topic and makes it again: nothing is in it, and nothing is committed
	Recreate()
	Member() Member
}

// Member is one member of the group, for one run.
type Member interface {
	Source() (stream.Stream[kafka.Message], []stream.Option)
	// is called when its pipeline runs; the partitions are spread evenly over all that have joined
	Join()
	Left() // is called when its pipeline has ended
}
