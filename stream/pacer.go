package stream

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// pacer lets at most so many elements pass in a second. How many may change while elements wait.
type pacer struct {
	step  string  // empty: it is the pipeline's, and paces the start of records
	built float64 // elements a second; 0: no limit
	burst int     // 0: what passes in a tenth of a second
	now   atomic.Pointer[pace]
}

// pace is the rate of a pacer, until another one replaces it. No limit is a nil pace.
type pace struct {
	perSecond float64
	limiter   *rate.Limiter
	first     chan struct{} // has room for one: who is in it goes next; never closed
	over      chan struct{} // closed by who replaces it
	setting   string        // see Explanation.Setting
}

func newPacer(step string, perSecond float64, burst int) *pacer {
	p := &pacer{step: step, built: perSecond, burst: burst}
	if perSecond > 0 {
		p.now.Store(newPace(perSecond, burst))
	}
	return p
}

func newPace(perSecond float64, burst int) *pace {
	return &pace{perSecond: perSecond, limiter: rate.NewLimiter(rate.Limit(perSecond), burst), first: make(chan struct{}, 1), over: make(chan struct{})}
}

// rate returns how many elements may pass in a second; 0: no limit.
func (p *pace) rate() float64 {
	if p == nil {
		return 0
	}
	return p.perSecond
}

// set replaces the rate. It returns false if the rate is not seen any more. A rate begins without a
// burst, so that a lower one is kept from its first second on. Elements that wait begin their wait
// again. So those that a low rate has put off for long do not outlast it. They are in different
// lanes, so no order is lost.
func (p *pacer) set(seen, perSecond float64) bool {
	was := p.now.Load()
	if was.rate() != seen {
		return false
	}
	var next *pace
	if perSecond > 0 {
		burst := p.burst
		if burst == 0 {
			burst = max(1, int(min(perSecond/10, 1e6)))
		}
		next = newPace(perSecond, burst)
		next.limiter.ReserveN(time.Now(), burst)
		if perSecond != p.built {
			next.setting = p.setting(perSecond)
		}
	}
	if !p.now.CompareAndSwap(was, next) {
		return false
	}
	if was != nil {
		close(was.over)
	}
	return true
}

func (p *pacer) setting(perSecond float64) string {
	if p.step == "" {
		return fmt.Sprintf("the rate of the pipeline was set to %s until restart", rateText(perSecond))
	}
	return fmt.Sprintf("the rate of %s was set to %s until restart, and built with %s", p.step, rateText(perSecond), rateText(p.built))
}

func rateText(perSecond float64) string {
	if perSecond == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%g a second", perSecond)
}

// leastRate is the lowest rate that may be set. Less is a pause.
const leastRate = 0.001

// unsettable returns why a rate cannot be set; empty: it can.
func unsettable(perSecond float64) string {
	if perSecond == 0 || perSecond >= leastRate && !math.IsInf(perSecond, 0) {
		return ""
	}
	return fmt.Sprintf("%g a second is no rate: use 0 for no limit, or at least %g; Pause stops the reading of a partition", perSecond, leastRate)
}

// await waits for the element's turn, and reports whether it had to. A waiting element holds its
// lane but no worker. If waits for the element must end, await returns early: its caller looks.
// first is called before the wait, unless it is nil. After the wait the worker still holds for it.
func (p *pacer) await(w *worker, r *record, first func()) (waited bool) {
	var since time.Time
	for {
		now := p.now.Load()
		if now == nil || now.limiter.Allow() {
			return waited
		}
		if !waited {
			waited = true
			if first != nil {
				first()
			}
			since = time.Now()
		}
		h := hold{cause: CauseThrottle, step: p.step, since: since, setting: now.setting, unbegun: p.step == ""}
		if now.queue(w, r, h) || r.stopping() || r.Err() != nil {
			return true
		}
	}
}

// queue waits behind the elements that came before. It returns false if the wait had to end early.
// Only the first one in the queue has a reservation. So what leaves it early, as in a revoke, costs
// the others no time.
func (n *pace) queue(w *worker, r *record, h hold) (came bool) {
	stop := r.stopped()
	w.holds(&h)
	w.waitTurn(func() {
		select {
		case n.first <- struct{}{}:
		case <-n.over:
			return
		case <-stop:
			return
		case <-r.Done():
			return
		}
		defer func() { <-n.first }()
		turn := n.limiter.Reserve()
		d := turn.Delay()
		if d <= 0 {
			came = true
			return
		}
		next := h
		next.until = time.Now().Add(d)
		w.holds(&next)
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			came = true
			return
		case <-n.over:
		case <-stop:
		case <-r.Done():
		}
		turn.Cancel()
	})
	return came
}
