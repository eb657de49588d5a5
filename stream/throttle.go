package stream

import (
	"fmt"

	"golang.org/x/time/rate"
)

// Throttle passes on at most perSecond elements per second over all partitions, in bursts of up to
// burst. 1→1, keeps order. A waiting element holds its lane but no worker (see MaxWaiting). A drain
// and a revoke end the waits: elements that are still waiting stay uncommitted.
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

func (o throttleOp[T]) start(st *step) { st.shared = rate.NewLimiter(rate.Limit(o.rate), o.burst) }

func (o throttleOp[T]) link(_ *worker, st *step, next any) any {
	nx, limiter := next.(push[T]), st.shared.(*rate.Limiter)
	return push[T](func(w *worker, r *record, v *T) {
		turn := limiter.Reserve()
		if d := turn.Delay(); d > 0 && !st.pause(w, r, d) {
			turn.Cancel() // other elements may use it
			return
		}
		nx(w, r, v)
	})
}
