package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// Topology describes a built chain: what runs where, in which order and how many at a time, where
// failures lead, and what is guaranteed. String formats it for a review; Mermaid and DOT draw it.
type Topology struct {
	Name      string
	Source    string
	Sources   []SourceName // of a Merge; empty: there is one source
	Guarantee string
	Branches  string      // what holds for branches; empty: there are none
	Rate      string      // what an operator has set; empty: nothing. See SetRate
	Stages    []StageInfo // those of a branch behind that of its fork
}

// SourceName is a source of a Merge.
type SourceName struct {
	ID   string // TopicPartition.Source
	Name string // "kafka orders, payments"
}

// StageInfo is the steps that run in one worker.
type StageInfo struct {
	Degree string // "64 at a time", "one per partition", "64 at a time, set to 2 until restart", …
	Order  string // "per key", "none", …
	Steps  []StepInfo
	Commit string   // the commit behind this stage; empty: none
	Branch []string // the forks that lead to it, by name; empty: it is on the main line
	// the sources of a Merge whose elements come here, by ID; empty: all
	Sources []string
}

// StepInfo is one step.
type StepInfo struct {
	Name     string
	Word     string
	Detail   string   // "of one key, up to 100, or 1s after the first"; may be empty
	Policies []string // in the order of escalation
	Branch   []string // as in StageInfo; longer than that where the branch runs in its fork's worker
	Sources  []string // as in StageInfo; fewer than there for a word above a Merge that runs below it

	shapes bool // calls nothing that could fail
	forks  bool // has a branch
}

// topology returns what Describe does.
func (p *plan) topology(source SourceInfo, records int, ahead int64) Topology {
	t := Topology{Name: p.name, Source: source.Name, Guarantee: p.guarantee(), Branches: p.branchesText(records)}
	if p.commit.storesOffsets() && source.NoCommit == "" && (!p.storesState() || source.StateBytes == 0 || ahead == 0) {
		t.Guarantee += "; no resume state: records that finish above the watermark are reprocessed after a drain or a crash"
	}
	if lanes := resume.Lanes(source.StateBytes); p.parks() && p.storesState() && lanes > 0 {
		t.Guarantee += fmt.Sprintf("; at about %d parked lanes a partition is no longer read", lanes)
	}
	if p.forgetsHalts() {
		t.Guarantee += "; halts are not stored: a halted record is tried again after a drain or a crash"
	}
	t.Stages = make([]StageInfo, len(p.stages))
	for i, s := range p.sources {
		if len(p.sources) > 1 {
			t.Sources = append(t.Sources, SourceName{s.id, s.title})
		}
		p.describe(t.Stages, p.start(i), nil)
	}
	if c := p.commit; c.storesOffsets() {
		last := p.start(0)
		for last.next != nil {
			last = last.next
		}
		t.Stages[last.index].Commit = c.text()
	}
	return t
}

// describe describes the stages of a line from sg on, and those of its branches.
func (p *plan) describe(infos []StageInfo, sg *stagePlan, branch []string) {
	for ; sg != nil; sg = sg.next {
		if infos[sg.index].Degree != "" {
			return // of another source, too
		}
		info := StageInfo{Degree: sg.degreeText(), Order: sg.orderText(), Branch: branch, Sources: p.idsOf(sg.sources)}
		for _, in := range sg.ins {
			info.Steps = append(info.Steps, p.describeSteps(infos, in.nodes, branch, p.idsOf(in.sources))...)
		}
		info.Steps = append(info.Steps, p.describeSteps(infos, sg.nodes, branch, info.Sources)...)
		if sg.exit != nil && p.steps[sg.exit] != nil {
			info.Steps = append(info.Steps, p.stepInfo(sg.exit, branch, info.Sources))
		}
		if sg.exit != nil && sg.exit.commit != nil {
			info.Commit = sg.exit.commit.text()
		}
		infos[sg.index] = info
	}
}

func (p *plan) describeSteps(infos []StageInfo, nodes []*node, branch, sources []string) (steps []StepInfo) {
	for _, n := range nodes {
		steps = append(steps, p.stepInfo(n, branch, sources))
		if f := p.forks[n]; f != nil {
			below := append(slices.Clone(branch), p.steps[n].name)
			steps = append(steps, p.describeSteps(infos, f.inline, below, sources)...)
			if f.stages != nil {
				p.describe(infos, f.stages[0], below)
			}
		}
	}
	return steps
}

// idsOf returns the names of sources, or nil if they are all.
func (p *plan) idsOf(sources []int) (ids []string) {
	if len(sources) == len(p.sources) {
		return nil
	}
	for _, i := range sources {
		ids = append(ids, p.sources[i].id)
	}
	return ids
}

// branchesText says what holds for all branches.
func (p *plan) branchesText(records int) string {
	if len(p.forks) == 0 {
		return ""
	}
	again := "a crash repeats each by itself, at least once"
	if p.hasTail() {
		again = "a crash repeats each above the commit by itself, and loses what is under way below it"
	}
	return fmt.Sprintf("%s; an outage of one holds all once %s of a partition wait (MaxInFlight), which takes %s at 100 records a second",
		again, counted(records, "record"), about(time.Duration(records)*time.Second/100))
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

func (p *plan) stepInfo(n *node, branch, sources []string) StepInfo {
	sp := p.steps[n]
	info := StepInfo{Name: sp.name, Word: n.word, Detail: n.detail(sp), Branch: branch, Sources: sources, shapes: !n.isStep(), forks: n.branch != nil}
	if f := p.forks[n]; f != nil {
		info.Detail = f.text(info.Detail)
	}
	for _, b := range sp.policies {
		info.Policies = append(info.Policies, b.text())
	}
	return info
}

// detail returns the arguments and options of a word, as text.
func (n *node) detail(sp *stepPlan) string {
	s := n.op.detail()
	if collects(n) {
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

// OnError returns what a failure of the step leads to, as text. It is empty if the step calls
// nothing that could fail.
func (s StepInfo) OnError() string {
	switch {
	case s.shapes:
		return ""
	case len(s.Policies) == 0:
		return "fail the pipeline"
	}
	return strings.Join(s.Policies, ", then ")
}

// text is where the branch of a fork runs, behind its other details.
func (f *forkPlan) text(detail string) string {
	where := "in its worker"
	if f.stages != nil {
		where = fmt.Sprintf("to stage %d", f.stages[0].index+1)
	}
	if detail == "" {
		return where
	}
	return detail + ", " + where
}
