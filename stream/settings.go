package stream

import (
	"fmt"
	"slices"
)

// What operators have changed in a run, until it ends.

// StepDegree is the degree of a Concurrent or MapConcurrent step.
type StepDegree struct {
	Step  string
	Built int // as the chain has it
	Now   int
	Busy  int // workers at work; above Now after SetDegree, until that many elements are done
}

// StepRate is the rate of a Throttle, or of the pipeline.
type StepRate struct {
	Step  string  // empty: the pipeline
	Built float64 // elements a second, as the chain has it; 0: no limit
	Now   float64
}

// degreed returns the stages whose degree can change, in chain order.
func (x *executor) degreed() (all []*stage) {
	for _, sg := range x.stages {
		if sg.plan.degree != nil && sg.plan.degree.n > 1 {
			all = append(all, sg)
		}
	}
	return all
}

// pacedBy is the name of the step that sets the stage's degree.
func (sg *stage) pacedBy() string { return sg.exec.stepOf(sg.plan.paced).name }

func (x *executor) degrees() (all []StepDegree) {
	for _, sg := range x.degreed() {
		d := StepDegree{Step: sg.pacedBy(), Built: sg.plan.slots}
		d.Now, d.Busy = sg.pool.Slots()
		all = append(all, d)
	}
	return all
}

// pacers returns the pipeline's pacer, then those of Throttles in chain order.
func (x *executor) pacers() []*pacer {
	all := []*pacer{x.rate}
	for _, n := range x.plan.nodes {
		if st := x.steps[n]; st != nil {
			if p, is := st.shared.(*pacer); is {
				all = append(all, p)
			}
		}
	}
	return all
}

func (x *executor) rates() (all []StepRate) {
	for _, p := range x.pacers() {
		all = append(all, StepRate{p.step, p.built, p.now.Load().rate()})
	}
	return all
}

// describeSettings adds to a topology what was changed.
func (x *executor) describeSettings(t *Topology) {
	for _, sg := range x.degreed() {
		if now, _ := sg.pool.Slots(); now != sg.plan.slots {
			t.Stages[sg.index].Degree += fmt.Sprintf(", set to %d until restart", now)
		}
	}
	for _, p := range x.pacers() {
		now := p.now.Load().rate()
		switch {
		case now == p.built:
		case p.step == "":
			t.Rate = fmt.Sprintf("%g records a second, until restart", now)
		default:
			t.tell(p.step, fmt.Sprintf(", set to %s until restart", rateText(now)))
		}
	}
}

// tell adds to what is told of a step.
func (t *Topology) tell(step, what string) {
	for _, sg := range t.Stages {
		for i := range sg.Steps {
			if sg.Steps[i].Name == step {
				sg.Steps[i].Detail += what
			}
		}
	}
}

// fullBySetting names the stages that a partition's elements come to, where a degree below the
// built one has no worker free.
func (x *executor) fullBySetting(p *part) (text string) {
	for _, sg := range x.degreed() {
		now, busy := sg.pool.Slots()
		if now >= sg.plan.slots || busy < now || len(sg.plan.sources) > 0 && !slices.Contains(sg.plan.sources, p.source) {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("the degree of %s was set to %d until restart, and built with %d", sg.pacedBy(), now, sg.plan.slots)
	}
	return text
}
