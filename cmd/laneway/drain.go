package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

func drainCommand() *cobra.Command {
	var r remote
	var o output
	var dry, all bool
	c := &cobra.Command{
		Use:   "drain REPLICA... | --all",
		Short: "Drain and end worker processes, as SIGTERM does",
		Long: `Drains all pipelines of a process and ends it, as SIGTERM does: started records are finished and
committed. Kubernetes, or whatever else runs the process, may start it again. The command does not
wait for the end; laneway status shows it.

REPLICA is an address as laneway status shows it, or its host alone.`,
		Example: `  laneway drain 10.0.0.5:7070
  laneway drain --all -n`,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage("laneway drain needs replicas, or --all: laneway status lists them")
			}
			f, err := r.find(c.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			todo, err := drains(f, args)
			made, refused := makeAll(c.Context(), todo, dry, c.ErrOrStderr())
			if all {
				err = errors.Join(err, silent(f))
			}
			return o.write(c.OutOrStdout(), made, err, refused)
		},
	}
	r.flags(c.Flags())
	r.completeWith(c, addresses)
	o.flag(c)
	c.Flags().BoolVar(&all, "all", false, "drain all replicas")
	c.Flags().BoolVarP(&dry, "dry-run", "n", false, "show what would be done, and change nothing")
	return c
}

// drains drains the named replicas, or all. It drains a replica only if it is still the process
// that was seen.
func drains(f *adminapi.Fleet, names []string) (todo []change, err error) {
	taken := map[string]bool{}
	for _, r := range f.Replicas {
		named := len(names) == 0 && r.Err == nil
		for _, name := range names {
			if name == r.Addr() || strings.HasPrefix(r.Addr(), name+":") {
				named, taken[name] = true, true
			}
		}
		switch {
		case !named:
		case r.Err != nil:
			err = errors.Join(err, unheard(r, r.Err))
		default:
			todo = append(todo, change{Verb: "drain", What: "process " + r.Process.Instance, At: r.Addr(), Effect: "Finishes started records, commits, and ends the process.",
				make: func(ctx context.Context) (adminapi.Done, error) {
					return r.Drain(ctx, adminapi.Drain{Instance: r.Process.Instance})
				}})
		}
	}
	for _, name := range names {
		if !taken[name] {
			err = errors.Join(err, usage("there is no replica %s: laneway status lists them", name))
		}
	}
	return todo, err
}
