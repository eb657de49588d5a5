package stream

import "fmt"

// Throttle passes on at most perSecond elements per second over all partitions, in bursts of up to
// burst. 1→1, keeps order. A waiting element holds its lane but no worker (see MaxWaiting). A drain
// and a revoke end the waits: elements that are still waiting stay uncommitted. Pipeline.SetRate
// changes perSecond while it runs.
func (s Stream[T]) Throttle(perSecond float64, burst int) Stream[T] {
	return then[T, T](s, &node{word: "Throttle", op: throttleOp[T]{perSecond, burst}})
}

type throttleOp[T any] struct {
	rate  float64
	burst int
}

func (throttleOp[T]) does() effect              { return shapes }
func (throttleOp[T]) place(p *planner, n *node) { p.value(n) }

func (o throttleOp[T]) check(c *checker, n *node) {
	if !(o.rate > 0) || o.burst < 1 { // NaN is not
		c.say(faultRange, n.label(), fmt.Sprintf("%g a second in bursts of %d lets nothing pass", o.rate, o.burst), "make both greater than 0")
	}
}

func (o throttleOp[T]) detail() []string {
	return []string{fmt.Sprintf("%g a second in bursts of %d", o.rate, o.burst)}
}

func (o throttleOp[T]) start(st *step) { st.shared = newPacer(st.name, o.rate, o.burst) }

func (o throttleOp[T]) link(_ *worker, st *step, next any) any {
	nx, pacer := next.(push[T]), st.shared.(*pacer)
	return push[T](func(w *worker, r *record, v *T) {
		if pacer.await(w, r, nil) {
			if w.holds(nil); !st.goesOn(w, r) {
				return
			}
		}
		nx(w, r, v)
	})
}
