package stream

import "context"

// Out is an element on its way to a sink, with its lineage.
type Out[T any] struct {
	Value T
	Meta  Meta
}

// Sink writes elements durably, in order. Write returns nil once they are durable. A *PartialError
// names the elements that failed. After any other error To writes all of them again, in halves once
// the attempts are used up, until the elements that fail stand alone; an error of the whole
// (IsWhole) fails all of them. Write is never called concurrently for the same partition, wherever
// the sink is used in a chain (sinks that compare equal are one). It must not keep the slice after
// it returns. A sink may also be an Opener, a Closer, a Checker, a TopicReader and a fmt.Stringer,
// whose String is its name.
type Sink[T any] interface {
	Write(ctx context.Context, elems []Out[T]) error
}

// Opener is a sink or a transactor with something to open. Open is called once per run, before the
// source starts, and has 30 s. Its error ends the run with that error, unless the run's context has
// ended: then the run ends without one.
type Opener interface {
	Open(ctx context.Context) error
}

// Closer is a sink or a transactor with something to close. Close is called once per run, after all
// other calls, and has 30 s.
type Closer interface {
	Close(ctx context.Context) error
}

// Checker is a sink or a transactor that checks its own configuration. Build calls Check before
// anything connects.
type Checker interface {
	Check() error
}

// TopicReader is a sink that needs to know what the source reads. Reads is called before Open, with
// SourceInfo.Topics.
type TopicReader interface {
	Reads(topics []string)
}
