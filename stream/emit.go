package stream

import "context"

type emitterKey struct{}

// EmitterOf returns a func that sends events to the observers of a pipeline. Use it in a sink, to
// send a SinkEvent about what the sink notices. ctx is the context that the sink's Open was given.
// The func may be called until the sink is closed. Do not call it while holding a lock. With any
// other ctx the func does nothing.
func EmitterOf(ctx context.Context) func(Event) {
	if emit, ok := ctx.Value(emitterKey{}).(func(Event)); ok {
		return emit
	}
	return func(Event) {}
}
