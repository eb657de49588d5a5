package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// completeWith completes arguments with what the replicas have now. If they cannot be asked, the
// shell gets nothing instead of an error.
func (r *remote) completeWith(c *cobra.Command, candidates func([]view) []cobra.Completion) {
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		f, err := r.find(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer f.Close()
		views, _ := look(c.Context(), f, "") // without those that do not answer
		all := slices.DeleteFunc(candidates(views), func(c cobra.Completion) bool {
			return slices.ContainsFunc(args, func(a string) bool { return completes(c, a) })
		})
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completes reports whether an argument is a candidate already.
func completes(c cobra.Completion, arg string) bool {
	return len(c) >= len(arg) && c[:len(arg)] == arg && (len(c) == len(arg) || c[len(arg)] == '\t')
}

// haltIDs returns the ids of the halts, each with a description.
func haltIDs(views []view) (all []cobra.Completion) {
	hs := halts(views)
	size := shortest(hs)
	for _, h := range hs {
		all = append(all, cobra.CompletionWithDesc(h.ID[:size], cell(h.what()+" "+h.record())))
	}
	return all
}

// places returns the partitions, written so that no shell expands them.
func places(views []view) (all []cobra.Completion) {
	for _, o := range partitions(views) {
		all = append(all, cobra.CompletionWithDesc(o.place().slashed(), cell(o.why())))
	}
	return all
}

// addresses returns the addresses of the replicas.
func addresses(views []view) (all []cobra.Completion) {
	for _, v := range views {
		all = append(all, v.At)
	}
	return all
}
