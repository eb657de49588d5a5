package conformance

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// Backend is a source with the log it reads. Parts of the suite run only if a feature is available.
type Backend struct {
	// returns an empty log that no other test uses, with its own group
	Open func(t *testing.T, partitions int) Log

	Gaps        bool // Log.Gap works
	FailCommits bool // Log.FailCommits works
	Rereads     bool // the source is a stream.Rereader
}

// Log is a set of partitions with records, and the group that reads them.
type Log interface {
	// returns once the records can be read, at the next offsets
	Append(partition int, key string, values ...string)
	// adds at least n offsets that hold no record for a reader
	Gap(partition int, n int)
	End(partition int) int64       // the offset after all of them
	Committed(partition int) int64 // the group's committed offset; -1: none
	// the next n requests fail, but a retry may succeed
	FailCommits(n int)
	// recreates the topic: it has no records and no committed offsets
	Recreate()
	Member() Member
}

// Member is a member of the group, for one run.
type Member interface {
	// returns its source, without a name, and options that need the name it gets: that of As, or
	// empty
	Source(name string) (stream.Stream[kafka.Message], []stream.Option)
	// called when its pipeline runs; the partitions are spread evenly over the members that have
	// joined
	Join()
	Left() // called when its pipeline has ended
}
