package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// tune is the command degree or rate.
type tune struct {
	remote
	output
	dry      bool
	step     string // of a rate; empty: the pipeline
	pipeline string
}

func degreeCommand() *cobra.Command {
	t := &tune{}
	c := &cobra.Command{
		Use:   "degree STEP N",
		Short: "Set how many elements a step works on at a time",
		Long: `Sets how many elements a Concurrent or MapConcurrent step works on at a time, on each replica, until
it restarts. What is at work is finished: no other element begins until fewer than N are at work.
Order and guarantees stay.

N may be more than the step was built with, but not for a step that was built with 1: its function
may rely on that. laneway status shows what is set, and what it was built with.`,
		Example: `  laneway degree charge 2
  laneway degree charge 32 --at 10.0.0.7:7070 --dry-run`,
		Args: arguments(2, 2, "a step and a number"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil || n < 1 {
				return usage("%q is no degree: use a number from 1 on; laneway pause stops the reading", args[1])
			}
			return t.run(c, args[0], func(views []view) ([]change, bool) { return t.degrees(views, args[0], int32(n)) })
		},
	}
	t.flags(c)
	t.remote.completeWith(c, degreeSteps)
	of := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 { // N
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(c, args, start)
	}
	return c
}

func rateCommand() *cobra.Command {
	t := &tune{}
	c := &cobra.Command{
		Use:   "rate N | none",
		Short: "Set how many records a pipeline starts in a second",
		Long: `Sets how many records a pipeline starts in a second, on each replica, until it restarts. With --step it
is how many elements pass a Throttle. N is per replica: the fleet has as many times that as it has
replicas. It takes effect at once, for records that wait, too. None lifts the limit. Order and
guarantees stay, and a drain does not wait.

laneway status shows what is set, and what it was built with.`,
		Example: `  laneway rate 100
  laneway rate none
  laneway rate 20 --step throttle --pipeline billing`,
		Args:              arguments(1, 1, "a number, or none"),
		ValidArgsFunction: cobra.FixedCompletions([]string{"none"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(c *cobra.Command, args []string) error {
			n := 0.0
			if args[0] != "none" {
				var err error
				if n, err = strconv.ParseFloat(args[0], 64); err != nil || !(n > 0) {
					return usage("%q is no rate: use a number above 0, or none for no limit; laneway pause stops the reading", args[0])
				}
			}
			return t.run(c, t.step, func(views []view) ([]change, bool) { return t.rates(views, n) })
		},
	}
	t.flags(c)
	c.Flags().StringVar(&t.step, "step", "", "a `Throttle`, instead of the pipeline")
	return c
}

func (t *tune) flags(c *cobra.Command) {
	t.remote.flags(c.Flags())
	t.output.flag(c)
	c.Flags().BoolVarP(&t.dry, "dry-run", "n", false, "show what would be done, and change nothing")
	c.Flags().StringVar(&t.pipeline, "pipeline", "", "only this `pipeline`")
}

// degreeSteps are the steps whose degree can be set, each once.
func degreeSteps(views []view) (all []cobra.Completion) {
	seen := map[string]bool{}
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, d := range p.Degrees {
				if !seen[d.Step] {
					seen[d.Step] = true
					all = append(all, cobra.CompletionWithDesc(d.Step, fmt.Sprintf("%d at a time, built with %d", d.Now, d.Built)))
				}
			}
		}
	}
	return all
}

// run makes the changes that are needed. found is whether there is anything that could be set.
func (t *tune) run(c *cobra.Command, step string, changes func([]view) (todo []change, found bool)) error {
	f, err := t.find(c.Context())
	if err != nil {
		return err
	}
	defer f.Close()
	views, incomplete := look(c.Context(), f, t.pipeline)
	todo, found := changes(views)
	if !found && incomplete == nil {
		return conflict("%s", nothingToSet(views, step))
	}
	made, refused := makeAll(c.Context(), todo, t.dry, c.ErrOrStderr())
	return t.output.write(c.OutOrStdout(), made, refused, incomplete)
}

// nothingToSet says why no replica has what is to be set.
func nothingToSet(views []view, step string) string {
	if step == "" {
		return "no pipeline runs"
	}
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, sg := range p.Topology.Stages {
				for _, s := range sg.Steps {
					if s.Name == step {
						return fmt.Sprintf("%s cannot be set: a degree is of a Concurrent or MapConcurrent that was built with more than 1, a rate of a Throttle; this is a %s", step, s.Word)
					}
				}
			}
		}
	}
	return fmt.Sprintf("there is no step %s that runs: laneway status --all -o json lists the steps", step)
}

// degrees changes the degree of a step from what the replicas have just told.
func (t *tune) degrees(views []view, step string, n int32) (todo []change, found bool) {
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, d := range p.Degrees {
				if d.Step != step {
					continue
				}
				found = true
				seen := int32(d.Now)
				if seen == n {
					continue
				}
				todo = append(todo, change{Verb: "set", What: fmt.Sprintf("the degree of %s to %d", step, n), At: v.At, Pipeline: p.ID,
					Effect: fmt.Sprintf("It is %d, and was built with %d.", d.Now, d.Built),
					make: func(ctx context.Context) (adminapi.Done, error) {
						return v.replica.SetDegree(ctx, p.ID, adminapi.SetDegree{Step: step, Seen: &seen, Degree: &n})
					}})
			}
		}
	}
	return todo, found
}

// rates is degrees for the rate of a step, or of pipelines.
func (t *tune) rates(views []view, n float64) (todo []change, found bool) {
	of := t.step
	if of == "" {
		of = "the pipeline"
	}
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, r := range p.Rates {
				if r.Step != t.step {
					continue
				}
				found = true
				if r.Now == n {
					continue
				}
				todo = append(todo, change{Verb: "set", What: fmt.Sprintf("the rate of %s to %s", of, adminapi.RateText(n)), At: v.At, Pipeline: p.ID,
					Effect: fmt.Sprintf("It is %s, and was built with %s.", adminapi.RateText(r.Now), adminapi.RateText(r.Built)),
					make: func(ctx context.Context) (adminapi.Done, error) {
						return v.replica.SetRate(ctx, p.ID, adminapi.SetRate{Step: t.step, Seen: &r.Now, PerSecond: &n})
					}})
			}
		}
	}
	return todo, found
}

// writeSettings shows what operators have set until a restart.
func writeSettings(w io.Writer, views []view) error {
	t := newTable("SET UNTIL RESTART", "NOW", "BUILT", "PIPELINE", "REPLICA")
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, d := range p.Degrees {
				if d.Now != d.Built {
					t.row("degree of "+d.Step, fmt.Sprint(d.Now), fmt.Sprint(d.Built), p.ID, v.At)
				}
			}
			for _, r := range p.Rates {
				if r.Now == r.Built {
					continue
				}
				of := "rate of " + r.Step
				if r.Step == "" {
					of = "rate"
				}
				t.row(of, adminapi.RateText(r.Now), adminapi.RateText(r.Built), p.ID, v.At)
			}
		}
	}
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	return t.write(w)
}
