package stream

import (
	"time"

	"golang.org/x/time/rate"
)

// Throttle lets at most perSecond elements a second pass, in bursts of up to burst, over all partitions. 1→1, keeps order. Whoever waits holds no
// worker (see ParkLimit); while one waits, so does its lane.
func (s Stream[T]) Throttle(perSecond float64, burst int) Stream[T] {
	return then[T, T](s, &node{kind: kindThrottle, word: "Throttle", rate: perSecond, n: burst,
		link: func(_ *worker, st *step, next any) any {
			nx := next.(push[T])
			return push[T](func(w *worker, r *record, v *T) {
				if d := st.limiter.Reserve().Delay(); d > 0 {
					w.lend(func() {
						timer := time.NewTimer(d)
						defer timer.Stop()
						select {
						case <-timer.C:
						case <-r.Done():
						}
					})
					if r.Err() != nil || r.dropped() {
						st.leave(w, r)
						return
					}
				}
				nx(w, r, v)
			})
		}})
}

func newLimiter(n *node) *rate.Limiter { return rate.NewLimiter(rate.Limit(n.rate), n.n) }
