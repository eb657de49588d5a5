package stream

import (
	"context"
	"slices"
	"sync"
)

// writers ensures what Sink promises: there is one Write at a time for each partition. That holds
// across all words of the chain that use the sink, and across assignments. Sinks that compare equal
// are one sink.
type writers struct {
	// sink ids by the *node of a To and the *policy of a DeadLetterOnError; never changes
	ids map[any]int

	mu   sync.Mutex                  // guards busy; a leaf
	busy map[writerKey]chan struct{} // of capacity 1, full during a Write
}

type writerKey struct {
	sink int
	tp   TopicPartition
}

func newWriters(p *plan) *writers {
	ws := &writers{ids: map[any]int{}, busy: map[writerKey]chan struct{}{}}
	var sinks []any
	for _, n := range p.nodes {
		for _, s := range n.sinks {
			id := slices.IndexFunc(sinks, func(o any) bool { return sameSink(o, s) })
			if id < 0 {
				id, sinks = len(sinks), append(sinks, s)
			}
			ws.ids[n] = id
			if n.policy != nil {
				ws.ids[n.policy] = id
			}
		}
	}
	return ws
}

// one runs write once no other write of the same sink and partition runs. at is the *node or
// *policy of the sink. It returns an error if ctx ends before.
func (ws *writers) one(ctx context.Context, at any, tp TopicPartition, write func() error) error {
	key := writerKey{ws.ids[at], tp}
	ws.mu.Lock()
	busy := ws.busy[key]
	if busy == nil {
		busy = make(chan struct{}, 1)
		ws.busy[key] = busy
	}
	ws.mu.Unlock()
	select {
	case busy <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-busy }()
	return write()
}
