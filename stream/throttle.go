package stream

import (
	"fmt"

	"golang.org/x/time/rate"
)

// Throttle lets at most perSecond elements a second pass, in bursts of up to burst, over all
// partitions. 1→1, keeps order. Whoever waits holds no worker (see MaxWaiting); while one waits, so
// does its lane. A drain and a revoke wait for nobody's turn: who has none yet stays uncommitted.
func (s Stream[T]) Throttle(perSecond float64, burst int) Stream[T] {
	return then[T, T](s, &node{word: "Throttle", op: throttleOp[T]{perSecond, burst}})
}

type throttleOp[T any] struct {
	rate  float64
	burst int
}

func (throttleOp[T]) does() effect           { return shapes }
func (throttleOp[T]) cut(c *cutter, n *node) { c.value(n) }

func (o throttleOp[T]) check(c *checker, n *node) {
	if o.rate <= 0 || o.burst < 1 {
		c.say(n.label(), fmt.Sprintf("%g a second in bursts of %d lets nothing pass", o.rate, o.burst), "both are above 0")
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
			turn.Cancel() // others may go instead
			return
		}
		nx(w, r, v)
	})
}
