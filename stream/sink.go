package stream

import "context"

// Out is an element on its way out, with the lineage it came with.
type Out[T any] struct {
	Value T
	Meta  Meta
}

// Sink writes elements durably, in order. Write returns once they are, or with an error: a
// *PartialError names those that failed, any other failed them all. It is never called twice at
// once for the same partition, wherever in a chain the sink stands (sinks that compare equal are
// one), and owns neither the slice nor its array afterwards. A sink may also be an Opener, a
// Closer, a Checker, a TopicReader and a fmt.Stringer, whose String is its name.
type Sink[T any] interface {
	Write(ctx context.Context, elems []Out[T]) error
}

// Opener is a sink or a transactor that wants to be opened. Open is called once per run, before the
// source starts, within 30 s. Its error ends the run, but not where ctx has ended with the run's:
// that is a clean end.
type Opener interface {
	Open(ctx context.Context) error
}

// Closer is a sink or a transactor that wants to be closed. Close is called once per run, after the
// last call of anything else, within 30 s.
type Closer interface {
	Close(ctx context.Context) error
}

// Checker is a sink or a transactor that knows what is wrong with its configuration. Build asks it
// before anything connects.
type Checker interface {
	Check() error
}

// TopicReader is a sink that wants to know what the source reads: it is told before Open, as in
// SourceInfo.Topics.
type TopicReader interface {
	Reads(topics []string)
}
