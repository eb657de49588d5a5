package stream

// Lineage says where the elements of one Feed came from, by index. Its methods must be safe for
// concurrent use while the elements are in flight. Offset is called a few times per element, Key if
// a grouping needs it, Meta on demand. They must not block or call the pipeline, since some are
// called under its locks. A panic of one ends the pipeline.
type Lineage interface {
	Meta(i int) Meta
	Key(i int) []byte
	Offset(i int) int64
}

// Copier is a Lineage whose elements share memory, such as the messages of one fetch. Without it,
// one unfinished record keeps all the memory of its Feed in use, and counted in MaxBytes. With it,
// records that are parked, or behind a halt, are copied out once the others have finished, unless
// they are more than half.
type Copier[T any] interface {
	Lineage
	// CopyOut returns copies of elements, by index, their lineage, and the bytes that the copies
	// keep alive. It must not block. The copies share nothing with the originals. These must not
	// change, since handlers may still read them.
	CopyOut(of []int) (vals []T, lineage Lineage, bytes int64)
}

// SourceInfo describes a source to Build and Describe, before anything connects.
type SourceInfo struct {
	Name string // "kafka orders, payments"
	// ID is the name of the source in a Merge, unless As gives it another. It must not change
	// between runs. Empty: Name.
	ID string
	// Claims names what only one source of a pipeline may use, such as a membership in a group.
	Claims []string
	// Groups names the consumer group that stores its offsets, once for each address of its
	// cluster. Sources with a name in common are in one group of one cluster. Empty: no group.
	Groups     []string
	MustCommit bool // refuse a chain without a commit (a consumer group)
	// why commit words are refused ("reads without a group"); empty: they are allowed
	NoCommit string
	// why CommitWith is refused, although NoCommit is empty ("a replay")
	NoCommitWith string
	// names of what it reads, if known: a sink may resolve them early
	Topics []string
	Faults []error // all faults of its configuration
	// StateBytes is the largest Position.State that it stores with an offset; 0: it stores none. It
	// shrinks when a broker refuses a state. Before Commit returns, the source must have stored the
	// offsets of larger states without them.
	StateBytes int
}

// Assignment is a partition that a source starts to feed.
type Assignment struct {
	TopicPartition
	TopicID   TopicID // id under which the partition is read; zero: the source has no ids
	Next      int64   // offset of the next record to feed
	Committed int64   // offset that the group has stored under that id; -1: none
	// State is the Position.State that was stored with Committed; empty: none was. A state that is
	// damaged, or does not match the assignment, is ignored: its records are then reprocessed.
	State string
	// Scope says where Committed is stored, besides topic and partition: the names of the cluster
	// and the group. A State of another Scope is ignored.
	Scope string
	// LogEnd is the end of the log that State was written for: the end of the leader epoch of the
	// newest record fed then, or of the log. What State says from LogEnd on is ignored, since a
	// truncated log holds other records there.
	LogEnd int64
	// Wake is called when a full partition has room again, or was resumed. It must not block, but
	// may feed. It may be called within Assign, Revoke and Lose, so it must not take a lock that
	// the source holds across these. May be nil.
	Wake func()

	// Restart is called, in a goroutine of its own, after the pipeline has released the partition
	// by itself, because its Transactor had stored other offsets than the transaction started from.
	// The source then has to Lose the partition and Assign it again at next, unless it has released
	// it too. nil: the pipeline fails instead.
	Restart func(next int64)

	// Expired reports whether another worker may own the partition by now, judged by the source's
	// own monotonic clock, although the source has not lost it yet. A process that was suspended
	// (SIGSTOP, a frozen VM) then starts nothing when it wakes. It is called before each record and
	// each transaction, so it must be cheap. Once true it stays true, and the source has to Lose
	// the partition. nil: never.
	Expired func() bool
}

// CommitError names the partitions whose offsets could not be stored. A Source or a Transactor
// returns it from Commit.
type CommitError struct{ Errs map[TopicPartition]error }
