package stream

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSeen: the degree or rate is no longer the one that was passed as seen.
var ErrSeen = errors.New("the present value is not the one that was seen: take a Snapshot again [LW239]")

// SetDegree changes how many elements a Concurrent or MapConcurrent step works on at a time, from
// seen to n, in this process until Run ends. seen is the one that Snapshot has shown.
//
// It takes effect at once. If more run than n, none of them is cancelled, and no other one begins
// until fewer do. Elements that come back from a retry go before new ones. Order, commits and
// guarantees stay as Describe has them, since an element waits in its lane as it does for a worker
// at any time. n may exceed what the step was built with: its function is called concurrently
// anyway. The words above the step that run in its workers follow.
//
// Errors: ErrSeen if somebody was faster, ErrNotRunning if nothing runs. Others say that n is below
// 1, or that the step has no degree that can change. That is so for Serial, and for a Concurrent of
// 1, whose function may rely on it.
func (p *Pipeline) SetDegree(step string, seen, n int) error {
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	if n < 1 {
		return fmt.Errorf("a degree of %d for %s: use at least 1; Pause stops the reading of a partition [LW240]", n, step)
	}
	for _, sg := range r.degreed() {
		if sg.pacedBy() != step {
			continue
		}
		if !sg.pool.SetSlots(seen, n) {
			now, _ := sg.pool.Slots()
			return fmt.Errorf("the degree of %s is %d, not %d: %w", step, now, seen, ErrSeen)
		}
		return nil
	}
	return fmt.Errorf("the degree of %s cannot be set: %s [LW240]", step, r.noDegree(step))
}

// noDegree returns why a step has no degree that can change.
func (r *run) noDegree(step string) string {
	st := r.stepNamed(step)
	if st == nil {
		var names []string
		for _, sg := range r.degreed() {
			names = append(names, sg.pacedBy())
		}
		return "there is no such step; it can be set for " + orNone(names)
	}
	switch sg := st.stage; {
	case sg == nil || sg.plan.paced == nil:
		return "it runs once per partition"
	case sg.plan.paced != st.node:
		return "it runs in the workers of " + sg.pacedBy()
	}
	return "it was built to work on one element at a time, and its function may rely on that"
}

// SetRate changes how many elements a Throttle passes on in a second, or how many records the
// pipeline starts in a second if step is empty, from seen to perSecond. 0 is no limit. It holds in
// this process until Run ends. seen is the one that Snapshot has shown.
//
// It takes effect at once, for elements that wait, too. Those hold their lane but no worker, as in
// a Throttle. So order and guarantees stay as they are. A drain does not wait for them. A Throttle
// keeps its burst; the pipeline has one of a tenth of a second.
//
// Errors: ErrSeen if somebody was faster, ErrNotRunning if nothing runs. Others say that perSecond
// is no rate, or that the step is no Throttle.
func (p *Pipeline) SetRate(step string, seen, perSecond float64) error {
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	if why := unsettable(perSecond); why != "" {
		return fmt.Errorf("%s [LW240]", why)
	}
	var names []string
	for _, pc := range r.pacers() {
		if pc.step != step {
			names = append(names, pc.step)
			continue
		}
		if !pc.set(seen, perSecond) {
			return fmt.Errorf("the rate is %s, not %s: %w", rateText(pc.now.Load().rate()), rateText(seen), ErrSeen)
		}
		return nil
	}
	return fmt.Errorf("the rate of %s cannot be set, since it is no Throttle; it can be set for the pipeline, and for %s [LW240]", step, orNone(names[1:]))
}

// stepNamed returns the step of that name, or nil.
func (r *run) stepNamed(name string) *step {
	for _, st := range r.steps {
		if st.name == name {
			return st
		}
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
