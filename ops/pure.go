package ops

import "context"

// Pure makes a step for Map and MapConcurrent of a function that needs no context and cannot fail.
func Pure[In, Out any](f func(In) Out) func(context.Context, In) (Out, error) {
	return func(_ context.Context, v In) (Out, error) { return f(v), nil }
}
