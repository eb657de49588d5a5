package stream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// sourcePlan is one source of a chain.
type sourcePlan struct {
	node     *node
	id       string // TopicPartition.Source of its partitions; empty: it is the only one, without a name
	title    string // its SourceInfo.Name
	replaced any    // func() Source[T] of ReplaceSource; nil: none
}

// replacement is a source that takes the place of one of the chain.
type replacement struct {
	of   string // the name of the other; empty: the only one
	open any    // func() Source[T]
}

// sources returns the sources of a chain, each once, from the first chain of a Merge to the last.
// ask returns what the source of a node says, for the name of one that As names none; a source that
// does not answer stays without a name, and is left to who opens it.
func sources(end *node, with []replacement, ask func(*node) (SourceInfo, error)) (all []*sourcePlan, faults []error) {
	above, faults := sourcesAbove(end)
	nameless := false
	for _, s := range above {
		if s.id == "" && len(above) > 1 {
			info, err := ask(s.node)
			s.id = cmp.Or(info.ID, info.Name)
			nameless = nameless || err != nil
		}
		again := false
		for _, other := range all {
			switch {
			case other.node == s.node:
				again = true
				faults = append(faults, &BuildError{"Merge", "two of its chains begin at one source, " + s.label(), "fork the chain with AlsoTo or DivertTo, or read the source twice, each time in its own group", faultMerge})
			case other.id == s.id && s.id != "":
				faults = append(faults, &BuildError{"Merge", fmt.Sprintf("two sources are named %q", s.id), "name each with As", faultMerge})
			}
		}
		if !again {
			all = append(all, s)
		}
	}
	for _, r := range with {
		i := slices.IndexFunc(all, func(s *sourcePlan) bool { return s.id == r.of || len(all) == 1 && r.of == "" })
		switch {
		case i >= 0:
			all[i].replaced = r.open
		case !nameless:
			faults = append(faults, &BuildError{Code: faultChain, What: fmt.Sprintf("no source is named %q to be replaced", r.of), Fix: "name one of " + idsOf(all)})
		}
	}
	return all, faults
}

// sourcesAbove finds the sources that a chain begins with.
func sourcesAbove(end *node) (all []*sourcePlan, faults []error) {
	line := end.line()
	if m, is := line[0].op.(interface{ ends() []*node }); is { // of no chains, too: it says so itself
		for _, end := range m.ends() {
			above, wrong := sourcesAbove(end)
			all, faults = append(all, above...), append(faults, wrong...)
		}
		return all, faults
	}
	if line[0].isHead() {
		return nil, []error{&BuildError{line[0].word, "the Stream is that of a branch, which has no source of its own", "return it from the branch, and build the main line", faultChain}}
	}
	if _, ok := line[0].op.(interface{ begins() }); !ok {
		return nil, []error{&BuildError{line[0].label(), "the Stream above it is a zero value", "start the chain with a source", faultChain}}
	}
	s := &sourcePlan{node: line[0]}
	for _, n := range line {
		if as, ok := n.op.(interface{ sourceName() string }); ok && s.id == "" {
			s.id = as.sourceName()
		}
	}
	return []*sourcePlan{s}, nil
}

// called is what errors of a run call the source.
func (s *sourcePlan) called() string { return cmp.Or(s.id, s.title) }

func (s *sourcePlan) label() string {
	if s.id != "" {
		return s.id
	}
	return s.node.label()
}

func idsOf(all []*sourcePlan) string {
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = fmt.Sprintf("%q", s.id)
	}
	return strings.Join(ids, ", ")
}

// together is what Build and Describe need to know of all sources.
func together(infos []SourceInfo) (all SourceInfo) {
	if len(infos) == 0 { // each is at fault
		return all
	}
	all = infos[0]
	var names, claims []string
	for i, info := range infos {
		if names = append(names, info.Name); i == 0 {
			claims = info.Claims
			continue
		}
		all.MustCommit = all.MustCommit || info.MustCommit
		if info.NoCommit == "" {
			all.NoCommit = ""
		}
		all.NoCommitWith = cmp.Or(all.NoCommitWith, info.NoCommitWith)
		all.Topics = slices.Concat(all.Topics, info.Topics)
		all.Faults = slices.Concat(all.Faults, info.Faults)
		all.StateBytes = min(all.StateBytes, info.StateBytes)
		all.Groups = slices.DeleteFunc(slices.Clone(all.Groups), func(g string) bool { return !slices.Contains(info.Groups, g) })
		for _, c := range info.Claims {
			if slices.Contains(claims, c) {
				all.Faults = append(all.Faults, &BuildError{"Merge", "two sources are one member: " + c, "read all topics with one source, or give each a group or an InstanceID of its own", faultMerge})
				break
			}
		}
		claims = slices.Concat(claims, info.Claims)
	}
	all.Name = strings.Join(names, " + ")
	return all
}
