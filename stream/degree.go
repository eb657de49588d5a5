package stream

import "context"

// Serial works on one element at a time in each group (ungrouped: one at a time overall, each partition's in order) and passes it on. 1→1.
// Costs one goroutine per group that has work.
func (s Stream[T]) Serial(f func(context.Context, T) error, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{kind: kindDegree, word: "Serial", serial: true, n: 1, name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), link: linkTap(f)})
}

// MapSerial is Serial for a function with a result.
func (s Stream[T]) MapSerial[U any](f func(context.Context, T) (U, error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{kind: kindDegree, word: "MapSerial", serial: true, n: 1, name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), link: linkMap(f)})
}

// Concurrent works on up to n elements at a time and passes them on; order holds within a group, and ungrouped not at all (but see KeepOrder). 1→1.
// Costs up to n goroutines, as many as there is work for.
func (s Stream[T]) Concurrent(n int, f func(context.Context, T) error, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{kind: kindDegree, word: "Concurrent", n: n, name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), link: linkTap(f)})
}

// MapConcurrent is Concurrent for a function with a result.
func (s Stream[T]) MapConcurrent[U any](n int, f func(context.Context, T) (U, error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{kind: kindDegree, word: "MapConcurrent", n: n, name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), link: linkMap(f)})
}
