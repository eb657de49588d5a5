package stream

import (
	"errors"
	"fmt"
	"slices"
)

// What ParkOnError needs of the chain around it.

// parks checks the chain around a ParkOnError.
func (c *checker) parks(word string) {
	for _, n := range c.all {
		if n.opts.keepOrder {
			c.say(faultPark, word, "KeepOrder would hold back every result behind a parked record", "use HaltOnError, or leave KeepOrder out")
		}
		if n.commit != nil && n.commit.transact != nil {
			c.say(faultPark, word, "no transaction could pass a parked record, so all results behind it would wait", "use HaltOnError")
		}
	}
}

// parks reports whether a failure can park a lane.
func (p *plan) parks() bool {
	return slices.ContainsFunc(p.nodes, func(n *node) bool { return n.policy != nil && n.policy.kind == parkPolicy })
}

// checkParks refuses a ParkOnError if records could not finish beside parked ones, or if the lane
// of a record is unknown until a step has made it.
func (p *plan) checkParks(source SourceInfo, ahead int64) (err error) {
	if !p.parks() {
		return nil
	}
	if p.commit != nil && (!p.storesState() || source.StateBytes == 0 || ahead == 0) {
		why := "the source stores no resume state"
		switch {
		case !p.finishesInOrder():
			why = "a step below a working step changes the order, or ends some elements early, so no resume state is stored"
		case ahead == 0:
			why = "MaxFinishedAhead(0) stores no resume state"
		}
		err = &BuildError{"ParkOnError", why + ", and nothing could finish behind a parked record", "use HaltOnError", faultPark}
	}
	err = errors.Join(err, p.parksApart())
	for n, sp := range p.steps {
		parks := slices.ContainsFunc(sp.policies, (*policy).parks)
		if parks && n.isStep() && sp.group == byFunc {
			err = errors.Join(err, &BuildError{sp.name, "its lanes are made by GroupBy(f), so ParkOnError could not tell which records to hold back",
				"group by key, or use HaltOnError", faultPark})
		}
	}
	return err
}

// parksApart refuses a ParkOnError on one side of an AlsoTo if it holds back less than the order of
// the other side. Later records would pass on that side, and the parked one would be processed
// after them.
func (p *plan) parksApart() (err error) {
	refused := map[*node]bool{} // forks, each once for all sources
	for _, sg := range p.stages {
		for _, source := range sg.sources {
			words := p.words(sg.of(source))
			for i, n := range words {
				first := p.branchOf(n)
				if first == nil || !goesOn(n) || refused[n] {
					continue
				}
				branch, main := p.sideOf(source, first), p.mainOf(source, sg, words[i+1:])
				e := errors.Join(branch.parksBeside(main, n.label()), main.parksBeside(branch, n.label()))
				refused[n] = e != nil
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

func (s *side) parksBeside(o *side, fork string) (err error) {
	for _, is := range s.parks {
		for _, g := range o.worked {
			if !is.scope.covers(g) {
				return &BuildError{is.step, fmt.Sprintf("it would park the %s alone, while the other side of %s keeps order %v", is.scope, fork, g),
					"group both alike, or use HaltOnError", faultPark}
			}
		}
	}
	return nil
}
