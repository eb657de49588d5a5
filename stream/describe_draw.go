package stream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// String describes the pipeline, one line per step. A branch is indented below its fork.
func (t Topology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline %s\n  guarantee: %s\n", t.Name, t.Guarantee)
	if t.Branches != "" {
		fmt.Fprintf(&b, "  branches: %s\n", t.Branches)
	}
	if t.Rate != "" {
		fmt.Fprintf(&b, "  rate: %s\n", t.Rate)
	}
	if len(t.Sources) == 0 {
		fmt.Fprintf(&b, "  source: %s\n", t.Source)
	} else {
		b.WriteString("  sources, with no order between them:\n")
	}
	for _, s := range t.Sources {
		fmt.Fprintf(&b, "    %s: %s\n", s.ID, s.Name)
	}
	for i, sg := range t.Stages {
		in := strings.Repeat("  ", len(sg.Branch))
		fmt.Fprintf(&b, "%s  stage %d: %s%s; order kept: %s\n", in, i+1, sg.of(), sg.Degree, sg.Order)
		for _, st := range sg.Steps {
			fmt.Fprintf(&b, "%s    %s", strings.Repeat("  ", len(st.Branch)), st.from(sg)+st.title())
			if f := st.OnError(); f != "" {
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

// of says of which branch and of which sources the stage is.
func (sg StageInfo) of() (s string) {
	if len(sg.Sources) > 0 {
		s = "of " + strings.Join(sg.Sources, ", ") + ", "
	}
	if len(sg.Branch) > 0 {
		s += "branch " + sg.Branch[len(sg.Branch)-1] + ", "
	}
	return s
}

// from says of which sources a step is, if it is not of all in its stage.
func (s StepInfo) from(sg StageInfo) string {
	if len(s.Sources) == 0 || slices.Equal(s.Sources, sg.Sources) {
		return ""
	}
	return "of " + strings.Join(s.Sources, ", ") + ": "
}

// Mermaid draws the pipeline as a Mermaid flowchart, with a note of its guarantee.
func (t Topology) Mermaid() string {
	var b strings.Builder
	fmt.Fprintf(&b, "flowchart TB\n  guarantee[[%q]]\n", t.promises())
	for i, s := range t.from() {
		fmt.Fprintf(&b, "  source%s([%q])\n", number(i), s)
	}
	t.draw(func(stage int, title string) { fmt.Fprintf(&b, "  subgraph s%d [%q]\n", stage, title) },
		func(ups []string, id, label string) {
			fmt.Fprintf(&b, "    %s[%q]\n", id, label)
			for _, up := range ups {
				fmt.Fprintf(&b, "    %s --> %s\n", up, id)
			}
		},
		func() { b.WriteString("  end\n") })
	return b.String()
}

// DOT draws the pipeline in the language of Graphviz, with a note of its guarantee.
func (t Topology) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n  node [shape=box]\n  guarantee [label=%q shape=note]\n", t.Name, t.promises())
	for i, s := range t.from() {
		fmt.Fprintf(&b, "  source%s [label=%q shape=oval]\n", number(i), s)
	}
	t.draw(func(stage int, title string) {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%q\n", stage, title)
	},
		func(ups []string, id, label string) {
			fmt.Fprintf(&b, "    %s [label=%q]\n", id, label)
			for _, up := range ups {
				fmt.Fprintf(&b, "    %s -> %s\n", up, id)
			}
		},
		func() { b.WriteString("  }\n") })
	b.WriteString("}\n")
	return b.String()
}

// promises is what holds for the whole pipeline, for a note in a picture.
func (t Topology) promises() string {
	s := "guarantee: " + t.Guarantee
	if t.Branches != "" {
		s += "; branches: " + t.Branches
	}
	if len(t.Sources) > 0 {
		s += "; between sources there is no order"
	}
	return s
}

// from returns the sources, as a picture names them.
func (t Topology) from() (names []string) {
	for _, s := range t.Sources {
		names = append(names, s.ID+": "+s.Name)
	}
	if names == nil {
		names = []string{t.Source}
	}
	return names
}

// number tells nodes of a kind apart: the first has none.
func number(i int) string {
	if i == 0 {
		return ""
	}
	return strconv.Itoa(i + 1)
}

// draw walks the pipeline. ups are the nodes that pass elements to another: those before it on its
// line, or its fork.
func (t Topology) draw(open func(int, string), node func(ups []string, id, label string), shut func()) {
	latest := map[string]string{} // node by line, and on the main line by source
	for i := range t.from() {
		latest["source"+number(i)] = "source" + number(i)
	}
	add := func(branch, sources []string, id, label string) {
		lines := t.lines(branch, sources)
		var ups []string
		for _, l := range lines {
			if up := latest[l]; !slices.Contains(ups, up) {
				ups = append(ups, up)
			}
		}
		node(ups, id, label)
		for _, l := range lines {
			latest[l] = id
		}
	}
	for i, sg := range t.Stages {
		open(i+1, sg.of()+sg.Degree+"; order kept: "+sg.Order)
		for k, st := range sg.Steps {
			label := st.title()
			if f := st.OnError(); f != "" {
				label += "; on error: " + f
			}
			id := fmt.Sprintf("n%d_%d", i+1, k+1)
			add(st.Branch, st.Sources, id, label)
			if st.forks { // its branch begins there
				latest[lineOf(append(slices.Clone(st.Branch), st.Name))] = id
			}
		}
		if sg.Commit != "" {
			add(sg.Branch, sg.Sources, fmt.Sprintf("c%d", i+1), sg.Commit)
		}
		shut()
	}
}

// lines returns the lines that elements come along: a branch, or those of sources.
func (t Topology) lines(branch, sources []string) (lines []string) {
	if len(branch) > 0 {
		return []string{lineOf(branch)}
	}
	if len(t.Sources) == 0 {
		return []string{"source"}
	}
	for i, s := range t.Sources {
		if len(sources) == 0 || slices.Contains(sources, s.ID) {
			lines = append(lines, "source"+number(i))
		}
	}
	return lines
}

func lineOf(branch []string) string { return "\x00" + strings.Join(branch, "\x00") }
