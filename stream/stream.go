package stream

// Stream is a typed plan of a pipeline: a value, immutable, inert until Run. Every operator returns a new Stream and leaves the old one as it was.
type Stream[T any] struct{ n *node }

// From starts a chain at a source of your own. open is called once per Build, so that one plan can be built and run more than once.
func From[T any](open func() Source[T]) Stream[T] {
	return Stream[T]{&node{
		kind: kindSource,
		out:  typeOf[T]{},
		open: func(replacement any) (feeder, error) {
			o := open
			if replacement != nil {
				r, ok := replacement.(func() Source[T])
				if !ok {
					return nil, &BuildError{What: typeMismatch(replacement, open), Do: "replace the source by one of the same element type"}
				}
				o = r
			}
			if o == nil {
				return nil, &BuildError{What: "From was given a nil func", Do: "pass a function that returns the source"}
			}
			src := o()
			if src == nil {
				return nil, &BuildError{What: "From's func returned no source", Do: "return a new Source from each call"}
			}
			return &feederOf[T]{src: src}, nil
		},
	}}
}

// Pipe is a custom operator: any function from stream to stream. Via applies it.
type Pipe[In, Out any] func(Stream[In]) Stream[Out]

// Via continues the chain with a custom operator. What p adds inherits order, acknowledgement and failure from the words around it.
func (s Stream[T]) Via[U any](p Pipe[T, U]) Stream[U] {
	if p == nil {
		return then[T, U](s, &node{kind: kindMap, word: "Via", nilFunc: true})
	}
	return p(s)
}

// then appends a node whose elements are of type U.
func then[T, U any](s Stream[T], n *node) Stream[U] {
	n.up, n.out = s.n, typeOf[U]{}
	return Stream[U]{n}
}
