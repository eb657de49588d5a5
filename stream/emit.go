package stream

import "context"

type emitterKey struct{}

// EmitterOf returns what tells the observers of a pipeline something, from the context that it
// opens a sink with: for events that a sink sees by itself, as SinkEvent. It may be called until
// the sink is closed, must not be called under a lock, and does nothing where ctx is no such
// context.
func EmitterOf(ctx context.Context) func(Event) {
	if emit, ok := ctx.Value(emitterKey{}).(func(Event)); ok {
		return emit
	}
	return func(Event) {}
}
