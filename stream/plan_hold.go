package stream

// keyApart returns why no key can be parked by hand; "": one can.
func (p *plan) keyApart() string {
	for _, n := range p.nodes {
		switch {
		case n.opts.keepOrder:
			return n.label() + " would hold back every result behind it"
		case n.commit != nil && n.commit.transact != nil:
			return "no transaction could pass its records"
		}
	}
	for _, sg := range p.stages {
		for _, n := range p.words(sg.all()) {
			if sp := p.steps[n]; sp != nil && n.op.does() == works && sg.parkScope(n, sp.group) == ScopePartition {
				return sp.name + " keeps an order of several keys"
			}
		}
	}
	return ""
}
