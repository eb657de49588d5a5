package stream

import (
	"fmt"
	"slices"
	"strings"
)

// String describes the pipeline, one line per step. A branch is indented below its fork.
func (t Topology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline %s\n  guarantee: %s\n", t.Name, t.Guarantee)
	if t.Branches != "" {
		fmt.Fprintf(&b, "  branches: %s\n", t.Branches)
	}
	fmt.Fprintf(&b, "  source: %s\n", t.Source)
	for i, sg := range t.Stages {
		in := strings.Repeat("  ", len(sg.Branch))
		fmt.Fprintf(&b, "%s  stage %d: %s%s; order kept: %s\n", in, i+1, sg.of(), sg.Degree, sg.Order)
		for _, st := range sg.Steps {
			fmt.Fprintf(&b, "%s    %s", strings.Repeat("  ", len(st.Branch)), st.title())
			if f := st.fate(); f != "" {
				fmt.Fprintf(&b, " — on error: %s", f)
			}
			b.WriteByte('\n')
		}
		if sg.Commit != "" {
			fmt.Fprintf(&b, "%s    %s\n", in, sg.Commit)
		}
	}
	return b.String()
}

// of says of which branch the stage is.
func (sg StageInfo) of() string {
	if len(sg.Branch) == 0 {
		return ""
	}
	return "branch " + sg.Branch[len(sg.Branch)-1] + ", "
}

// Mermaid draws the pipeline as a Mermaid flowchart.
func (t Topology) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	fmt.Fprintf(&b, "  source([%q])\n", t.Source)
	t.draw(func(stage int, title string) { fmt.Fprintf(&b, "  subgraph s%d [%q]\n", stage, title) },
		func(up, id, label string) { fmt.Fprintf(&b, "    %s[%q]\n    %s --> %s\n", id, label, up, id) },
		func() { b.WriteString("  end\n") })
	return b.String()
}

// DOT draws the pipeline in the language of Graphviz.
func (t Topology) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n  node [shape=box]\n  source [label=%q shape=oval]\n", t.Name, t.Source)
	t.draw(func(stage int, title string) {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%q\n", stage, title)
	},
		func(up, id, label string) { fmt.Fprintf(&b, "    %s [label=%q]\n    %s -> %s\n", id, label, up, id) },
		func() { b.WriteString("  }\n") })
	b.WriteString("}\n")
	return b.String()
}

// draw walks the pipeline. up is the node that comes before another on its line, or its fork.
func (t Topology) draw(open func(int, string), node func(up, id, label string), shut func()) {
	last := map[string]string{"": "source"} // by line: its latest node
	add := func(line []string, id, label string) {
		on := strings.Join(line, "\x00")
		node(last[on], id, label)
		last[on] = id
	}
	for i, sg := range t.Stages {
		open(i+1, sg.of()+sg.Degree+"; order kept: "+sg.Order)
		for k, st := range sg.Steps {
			label := st.title()
			if f := st.fate(); f != "" {
				label += "; on error: " + f
			}
			id := fmt.Sprintf("n%d_%d", i+1, k+1)
			add(st.Branch, id, label)
			if st.forks { // its branch begins there
				last[strings.Join(append(slices.Clone(st.Branch), st.Name), "\x00")] = id
			}
		}
		if sg.Commit != "" {
			add(sg.Branch, fmt.Sprintf("c%d", i+1), sg.Commit)
		}
		shut()
	}
}
