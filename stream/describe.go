package stream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/laneway-go/laneway/internal/resume"
)

// Topology describes a built chain: what runs where, in which order and how many at a time, where
// failures lead, and what is guaranteed. String formats it for a review; Mermaid and DOT draw it.
type Topology struct {
	Name      string
	Source    string
	Guarantee string
	Stages    []StageInfo
}

// StageInfo is the steps that run in one worker.
type StageInfo struct {
	Degree string // "64 at a time", "one per partition", …
	Order  string // "per key", "none", …
	Steps  []StepInfo
	Commit string // the commit behind this stage; empty: none
}

// StepInfo is one step.
type StepInfo struct {
	Name     string
	Word     string
	Detail   string   // "of one key, up to 100, or 1s after the first"; may be empty
	Policies []string // in the order of escalation

	shapes bool // calls nothing that could fail
}

// topology returns what Describe does.
func (p *plan) topology(source SourceInfo, ahead int64) Topology {
	t := Topology{Name: p.name, Source: source.Name, Guarantee: p.guarantee()}
	if p.commit.storesOffsets() && source.NoCommit == "" && (!p.storesState() || source.StateBytes == 0 || ahead == 0) {
		t.Guarantee += "; no resume state: records that finish above the watermark are reprocessed after a drain or a crash"
	}
	if lanes := resume.Lanes(source.StateBytes); p.parks() && p.storesState() && lanes > 0 {
		t.Guarantee += fmt.Sprintf("; with about %d parked lanes a partition is not read on", lanes)
	}
	if p.forgetsHalts() {
		t.Guarantee += "; halts are not stored: a halted record is tried again after a drain or a crash"
	}
	for _, sg := range p.stages {
		info := StageInfo{Degree: sg.degreeText(), Order: sg.orderText()}
		nodes := sg.nodes
		if sg.exit != nil && p.steps[sg.exit] != nil {
			nodes = append(nodes[:len(nodes):len(nodes)], sg.exit)
		}
		for _, n := range nodes {
			info.Steps = append(info.Steps, p.stepInfo(n))
		}
		if sg.exit != nil && sg.exit.commit != nil {
			info.Commit = sg.exit.commit.text()
		}
		t.Stages = append(t.Stages, info)
	}
	if c := p.commit; c.storesOffsets() {
		t.Stages[len(t.Stages)-1].Commit = c.text()
	}
	return t
}

// forgetsHalts reports whether a step above a transaction may halt, and the transactor stores no
// halts.
func (p *plan) forgetsHalts() bool {
	if !p.transacts() || p.commit.transact.(interface{ stateBytes() int }).stateBytes() > 0 {
		return false
	}
	for n, sp := range p.steps {
		if n.commit == nil && slices.ContainsFunc(sp.policies, func(b *policy) bool { return b.kind == haltPolicy }) {
			return true
		}
	}
	return false
}

func (p *plan) guarantee() string {
	switch {
	case p.commit == nil:
		return "none: nothing is committed"
	case p.transacts():
		return "exactly once: results and offsets in one transaction; side effects of the steps at least once"
	case p.commit.above:
		return "at most once below " + p.commit.text() + ", at least once above it"
	}
	return "at least once: " + p.commit.text()
}

// text is what Describe prints of a commit.
func (o *commitPlan) text() string {
	switch {
	case o.each:
		return "commit each record as it finishes"
	case o.wait == 0:
		return "commit every " + counted(o.n, "record")
	}
	return fmt.Sprintf("commit every %s or %v", counted(o.n, "record"), o.wait)
}

func (sg *stagePlan) degreeText() string {
	var s string
	switch {
	case sg.degree == nil:
		s = "one runner per partition"
	case sg.slots == 1:
		s = "one at a time"
	case sg.slots > 1 && sg.lanes == loose:
		s = fmt.Sprintf("%d at a time", sg.slots)
	case sg.slots > 1:
		s = fmt.Sprintf("up to %d %s at a time", sg.slots, sg.groups())
	default:
		s = "all partitions side by side"
	}
	if sg.degree != nil && sg.degree.maxPartitions > 0 {
		s += fmt.Sprintf(", of %s at a time", counted(sg.degree.maxPartitions, "partition"))
	}
	return s
}

func (sg *stagePlan) groups() string {
	switch {
	case sg.lanes == perPart:
		return "partitions"
	case sg.group == byKey:
		return "keys"
	}
	return "groups"
}

func (sg *stagePlan) orderText() string {
	switch {
	case sg.lanes == perPart:
		return "per partition"
	case sg.lanes == perGroup:
		return sg.group.String()
	case sg.keepOrder:
		return "none at work, results leave in input order"
	}
	return "none"
}

func (p *plan) stepInfo(n *node) StepInfo {
	sp := p.steps[n]
	info := StepInfo{Name: sp.name, Word: n.word, Detail: n.detail(sp), shapes: !n.isStep()}
	for _, b := range sp.policies {
		info.Policies = append(info.Policies, b.text())
	}
	return info
}

// detail returns the arguments and options of a word, as text.
func (n *node) detail(sp *stepPlan) string {
	s := n.op.detail()
	if _, collects := n.op.(interface{ collects() }); collects {
		s = append([]string{"of one " + sp.group.member()}, s...)
	}
	if n.opts.hasMax && n.commit != nil {
		s = append(s, fmt.Sprintf("of %s at a time", counted(n.opts.maxPartitions, "partition")))
	}
	if n.opts.bisect {
		s = append(s, "bisected if it fails")
	}
	if sp.timeout > 0 {
		s = append(s, fmt.Sprintf("each attempt within %v", sp.timeout))
	}
	return strings.Join(s, ", ")
}

// title is the step on one line.
func (s StepInfo) title() string {
	title := s.Word
	if s.Name != strings.ToLower(s.Word) {
		title += " " + s.Name
	}
	if s.Detail != "" {
		title += " (" + s.Detail + ")"
	}
	return title
}

// fate is the policies of a step, as text.
func (s StepInfo) fate() string {
	switch {
	case s.shapes:
		return ""
	case len(s.Policies) == 0:
		return "fail the pipeline"
	}
	return strings.Join(s.Policies, ", then ")
}

// String describes the pipeline, one line per step.
func (t Topology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline %s\n  guarantee: %s\n  source: %s\n", t.Name, t.Guarantee, t.Source)
	for i, sg := range t.Stages {
		fmt.Fprintf(&b, "  stage %d: %s; order kept: %s\n", i+1, sg.Degree, sg.Order)
		for _, st := range sg.Steps {
			fmt.Fprintf(&b, "    %s", st.title())
			if f := st.fate(); f != "" {
				fmt.Fprintf(&b, " — on error: %s", f)
			}
			b.WriteByte('\n')
		}
		if sg.Commit != "" {
			fmt.Fprintf(&b, "    %s\n", sg.Commit)
		}
	}
	return b.String()
}

// Mermaid draws the pipeline as a Mermaid flowchart.
func (t Topology) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	fmt.Fprintf(&b, "  source([%q])\n", t.Source)
	prev := "source"
	t.draw(func(stage int, title string) { fmt.Fprintf(&b, "  subgraph s%d [%q]\n", stage, title) },
		func(id, label string) {
			fmt.Fprintf(&b, "    %s[%q]\n    %s --> %s\n", id, label, prev, id)
			prev = id
		},
		func() { b.WriteString("  end\n") })
	return b.String()
}

// DOT draws the pipeline in the language of Graphviz.
func (t Topology) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n  node [shape=box]\n  source [label=%q shape=oval]\n", t.Name, t.Source)
	prev := "source"
	t.draw(func(stage int, title string) {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%q\n", stage, title)
	},
		func(id, label string) {
			fmt.Fprintf(&b, "    %s [label=%q]\n    %s -> %s\n", id, label, prev, id)
			prev = id
		},
		func() { b.WriteString("  }\n") })
	b.WriteString("}\n")
	return b.String()
}

func (t Topology) draw(open func(int, string), node func(id, label string), shut func()) {
	for i, sg := range t.Stages {
		open(i+1, sg.Degree+"; order kept: "+sg.Order)
		for k, st := range sg.Steps {
			label := st.title()
			if f := st.fate(); f != "" {
				label += "; on error: " + f
			}
			node(fmt.Sprintf("n%d_%d", i+1, k+1), label)
		}
		if sg.Commit != "" {
			node(fmt.Sprintf("c%d", i+1), sg.Commit)
		}
		shut()
	}
}
