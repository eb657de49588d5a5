package stream

import "github.com/laneway-go/laneway/internal/absent"

// Stream is a typed plan of a pipeline. It is an immutable value that does nothing until Run. Every
// operator returns a new Stream and leaves its receiver unchanged.
type Stream[T any] struct{ n *node }

// From starts a chain at a source of your own. Each Build or Run calls open for a new source, so
// one plan can be built and run several times.
func From[T any](open func() Source[T]) Stream[T] {
	return Stream[T]{&node{word: "From", out: typeOf[T]{}, op: sourceOp[T]{open}}}
}

type sourceOp[T any] struct{ make func() Source[T] }

func (sourceOp[T]) does() effect          { return plans }
func (sourceOp[T]) check(*checker, *node) {}
func (sourceOp[T]) place(*planner, *node) {}
func (sourceOp[T]) detail() []string      { return nil }
func (sourceOp[T]) begins()               {}

func (o sourceOp[T]) open(replacement any) (feeder, error) {
	if replacement != nil {
		r, ok := replacement.(func() Source[T])
		if !ok {
			return nil, &BuildError{Code: faultChain, What: typeMismatch(replacement, o.make), Fix: "replace the source with one of the same element type"}
		}
		o.make = r
	}
	if o.make == nil {
		return nil, &BuildError{Code: faultNil, What: "From was given a nil func", Fix: "pass a function that returns the source"}
	}
	src := o.make()
	if absent.Is(src) {
		return nil, &BuildError{Code: faultChain, What: "From's func returned no source", Fix: "return a new Source from each call"}
	}
	return &feederOf[T]{src: src}, nil
}

// Pipe is a custom operator: any function that continues the stream it is given. Apply it with Via.
type Pipe[In, Out any] func(Stream[In]) Stream[Out]

// Via continues the chain with a custom operator. The words that p adds take order, acknowledgement
// and failure policies from the words around them.
func (s Stream[T]) Via[U any](p Pipe[T, U]) Stream[U] {
	if p == nil {
		return then[T, U](s, &node{word: "Via", nilFunc: true, op: mapOp[T, U]{}})
	}
	if s.n == nil { // whatever p makes of it: Build reports it
		return then[T, U](s, &node{word: "Via", op: mapOp[T, U]{}})
	}
	to := p(s)
	if to.n == nil || !to.n.follows(s.n) { // Build reports it
		return then[T, U](s, &node{word: "Via", op: mapOp[T, U]{}, opts: stepOpts([]StepOption{
			Invalid("the Pipe returned a Stream that does not continue its input", "build on the Stream it is given"),
		})})
	}
	return to
}

// then appends a node whose elements are of type U.
func then[T, U any](s Stream[T], n *node) Stream[U] {
	n.up, n.out = s.n, typeOf[U]{}
	return Stream[U]{n}
}
