package stream

import "context"

type emitterKey struct{}

// EmitterOf returns a func that sends events to the observers of a pipeline. ctx is the context
// that the pipeline opens a sink with. Use it in a sink for what it notices by itself, as a
// SinkEvent. The func may be called until the sink is closed. Do not call it while holding a lock.
// With any other ctx the func does nothing.
func EmitterOf(ctx context.Context) func(Event) {
	if emit, ok := ctx.Value(emitterKey{}).(func(Event)); ok {
		return emit
	}
	return func(Event) {}
}
