package stream

import (
	"fmt"

	"github.com/laneway-go/laneway/internal/absent"
	"github.com/laneway-go/laneway/internal/lane"
)

// To writes elements to a sink and passes each one on once the sink has stored it. 1→1, keeps the
// order of each lane. An element leaves its worker as soon as it is queued. While one Write of a
// partition is in flight, its elements queue, and the next Write takes up to 1,000 of them.
//
// Failed elements go to the policies below; a retry writes only those. If an error names none of
// its elements, and no retry is left, they are written in halves until the culprits stand alone, as
// with Bisect: the policies act on those alone. Where order is kept, a part waits until the
// policies have decided about everything before it, except that by key the first element of another
// key is tried before: if it fails alike, no element is the culprit, and the policies act on all.
// Costs one goroutine per partition that has something to write.
func (s Stream[T]) To(sink Sink[T], opts ...StepOption) Stream[T] {
	sink = absent.Or(sink)
	return then[T, T](s, &node{word: "To", name: sinkName(sink), opts: stepOpts(opts), sinks: []any{sink}, op: toOp[T]{sink}})
}

func sinkName(s any) string {
	if n, ok := s.(fmt.Stringer); ok {
		return n.String()
	}
	return ""
}

type toOp[T any] struct{ sink Sink[T] }

func (toOp[T]) does() effect     { return works }
func (toOp[T]) detail() []string { return nil }

func (o toOp[T]) check(c *checker, n *node) {
	if o.sink == nil {
		c.say(faultNil, n.label(), "the sink is nil", "pass a Sink")
	}
}

func (o toOp[T]) place(p *planner, n *node) {
	p.flush()
	if sg := p.stage; sg.degree != nil || sg.head != nil || len(sg.nodes) > 0 || len(sg.above()) > 0 {
		p.boundary()
	}
	p.note(n)
	p.stage.head = n
	p.stage.nodes = append(p.stage.nodes, n)
}

func (o toOp[T]) write(w *worker, st *step, open, next any) func([]*lane.Task) {
	return (&writer[T]{w: w, st: st, sink: o.sink, open: open.(opened[T]), next: next.(push[T])}).write
}
