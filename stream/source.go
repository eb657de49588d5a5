package stream

// Lineage says where the elements of one Feed came from, by their index. It is asked as long as
// they are in flight, concurrently, so it must only read. Offset is asked once for each, Key where
// a grouping needs it, Meta when somebody looks.
type Lineage interface {
	Meta(i int) Meta
	Key(i int) []byte
	Offset(i int) int64
}

// SourceInfo is what Build checks and Describe prints of a source, before anything connects.
type SourceInfo struct {
	Name       string // "kafka orders, payments"
	MustCommit bool   // a chain without a commit is refused (a consumer group)
	// why a commit word is refused ("reads without a group"); empty: commits are fine
	NoCommit string
	// what it reads, as far as that has names: a sink may look at once for what belongs to them
	Topics []string
	Faults []error // what is wrong with its configuration, all of it
	// how large a Position.State it stores with an offset; 0: it stores none. It shrinks when a
	// broker refuses one. By the time that Commit returns, the offsets of those that are larger were
	// stored without them.
	StateBytes int
}

// Assignment is a partition that a source begins to feed.
type Assignment struct {
	TopicPartition
	TopicID   TopicID // that the partition is read under; zero: the source has none
	Next      int64   // offset of the next record to be fed
	Committed int64   // offset stored for the group under that id, -1 if none is
	// State is the Position.State that was stored with Committed; empty: none was. What does not
	// match the assignment, or is damaged, is not believed: records are then handled again.
	State string
	// Scope is what Committed is stored under, beside topic and partition: the names of the cluster
	// and the group. A State of another Scope is not believed.
	Scope string
	// LogEnd is where the log ends that State was written for: the end of the leader epoch of the
	// newest record that had been fed then, or of the log. What State says from there on is not
	// believed, since a log that was cut off holds other records there.
	LogEnd int64
	// called when a partition that had no room has some again, or was resumed; must not block; may
	// be nil
	Wake func()

	// Restart is called, in a goroutine of its own, when the pipeline has let the partition go by
	// itself, because a transaction's offsets were not those that its Transactor had stored: unless
	// the source has let it go too meanwhile, it is to Lose it and Assign it again, at next. nil:
	// that ends the pipeline.
	Restart func(next int64)

	// Expired reports whether, by the source's own monotonic clock, the assignment may be another
	// worker's by now, though the source has not lost it yet: a process that stood still (SIGSTOP,
	// a frozen VM) is to start nothing when it wakes. It is asked before each record and each
	// transaction, so it must be cheap; once true it stays true, and the source is to Lose the
	// partition. nil: never.
	Expired func() bool
}

// CommitError names the partitions whose offset could not be stored.
type CommitError struct{ Errs map[TopicPartition]error }
