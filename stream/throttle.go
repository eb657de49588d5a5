package stream

import "golang.org/x/time/rate"

// Throttle lets at most perSecond elements a second pass, in bursts of up to burst, over all partitions. 1→1, keeps order. Whoever waits holds no
// worker (see ParkLimit); while one waits, so does its lane. A drain and a revoke wait for nobody's turn: who has none yet stays uncommitted.
func (s Stream[T]) Throttle(perSecond float64, burst int) Stream[T] {
	return then[T, T](s, &node{kind: kindThrottle, word: "Throttle", rate: perSecond, n: burst,
		link: func(_ *worker, st *step, next any) any {
			nx := next.(push[T])
			return push[T](func(w *worker, r *record, v *T) {
				turn := st.limiter.Reserve()
				if d := turn.Delay(); d > 0 && !st.pause(w, r, d) {
					turn.Cancel() // others may go instead
					return
				}
				nx(w, r, v)
			})
		}})
}

func newLimiter(n *node) *rate.Limiter { return rate.NewLimiter(rate.Limit(n.rate), n.n) }
