package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func statusCommand() *cobra.Command {
	var r remote
	var o output
	var pipeline string
	var all bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what is wrong, and the state of all replicas",
		Long: `Shows each replica, and the partitions that need attention: those that are halted, parked, paused or
unreadable, and those that have waited for anything else for 10 seconds. With --all it shows every
partition. It also shows the degrees and rates that operators have set.

The exit code only says whether all replicas answered. It does not depend on what is wrong.`,
		Example: `  laneway status --at billing-headless:7070
  laneway status --at localhost:7070 --all -o json`,
		Args:              arguments(0, 0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := r.find(c.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			views, incomplete := look(c.Context(), f, pipeline)
			if o == asJSON {
				err = writeJSON(c.OutOrStdout(), struct {
					Replicas []view `json:"replicas"`
				}{views})
			} else {
				err = writeStatus(c.OutOrStdout(), views, all)
			}
			return errors.Join(err, summed(incomplete, views))
		},
	}
	r.flags(c.Flags())
	o.flag(c)
	c.Flags().StringVar(&pipeline, "pipeline", "", "only this `pipeline`")
	c.Flags().BoolVar(&all, "all", false, "show every partition")
	return c
}

func writeStatus(w io.Writer, views []view, all bool) error {
	replicas := newTable("REPLICA", "PIPELINE", "STATE", "PARTITIONS", "LAG", "IN FLIGHT", "HALTS", "UP", "NOTE")
	for _, v := range views {
		if v.Error != "" {
			state, note := v.absent()
			replicas.row(v.At, "", state, "", "", "", "", "", note)
			continue
		}
		up := ago(v.now().Sub(v.Process.Started))
		if len(v.Pipelines) == 0 {
			replicas.row(v.At, "none", "", "", "", "", "", up)
		}
		for _, p := range v.Pipelines {
			state, note := p.state()
			lag, inFlight := p.sums()
			replicas.row(v.At, p.ID, state, fmt.Sprint(len(p.Partitions)), lag, fmt.Sprint(inFlight), fmt.Sprint(v.haltsOf(p.ID)), up, note)
		}
	}
	if err := replicas.write(w); err != nil {
		return err
	}
	parts := newTable("PARTITION", "CAUSE", "LAG", "IN FLIGHT", "REPLICA", "WHY")
	moving := 0
	for _, p := range partitions(views) {
		if !all && !p.stuck() {
			moving++
			continue
		}
		cause := p.Cause
		if cause == "" {
			cause = "-"
		}
		parts.row(p.place().String(), cause, count(p.Lag), fmt.Sprint(p.InFlight), p.view.At, p.why())
	}
	if len(parts.rows) > 0 {
		fmt.Fprintln(w)
	}
	if err := parts.write(w); err != nil {
		return err
	}
	if err := writeSettings(w, views); err != nil {
		return err
	}
	writeTroubles(w, views)
	switch {
	case all || unanswered(views) == len(views):
	case len(parts.rows) == 0:
		fmt.Fprintf(w, "\nNothing is stuck%s: %s without trouble.\n", asFarAs(views), counted(moving, "partition"))
	default:
		fmt.Fprintf(w, "\n%s without trouble. Next: laneway explain, laneway halts.\n", counted(moving, "other partition"))
	}
	return nil
}

// summed is the short form of errors that the table shows in full.
func summed(err error, views []view) error {
	if n := unanswered(views); n > 0 {
		return said{fmt.Sprintf("%d of %s could not be asked", n, counted(len(views), "replica")), err}
	}
	return err
}

// writeTroubles writes which topics cannot be read as a whole. Partitions show their own troubles.
func writeTroubles(w io.Writer, views []view) {
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, t := range p.Troubles {
				if t.Partition == nil {
					fmt.Fprintf(w, "\nTopic %s cannot be read at %s, for %s: %s\n", cell(place{source: t.Source}.of()+t.Topic), v.At, ago(v.now().Sub(t.Since)), cell(t.Error))
				}
			}
		}
	}
}

// absent says why a replica shows nothing.
func (v view) absent() (state, note string) {
	if why, is := strings.CutPrefix(v.Error, refuses); is {
		return "refuses", why
	}
	return "silent", v.Error
}

func (p pipelineView) state() (state, note string) {
	switch {
	case p.Failed != "":
		return "failed", p.Failed
	case !p.Running:
		return "ended", p.Reason
	case !p.Ready:
		return "not ready", p.Reason
	}
	return "ready", ""
}

// sums adds up a pipeline's partitions. An unknown lag makes the sum a lower bound.
func (p pipelineView) sums() (lag string, inFlight int) {
	sum, least := int64(0), ""
	for _, q := range p.Partitions {
		inFlight += q.InFlight
		if q.Lag == nil {
			least = "≥"
		} else {
			sum += *q.Lag
		}
	}
	return least + fmt.Sprint(sum), inFlight
}

func (v view) haltsOf(pipeline string) (n int) {
	for _, h := range v.Halts {
		if h.Pipeline == pipeline {
			n++
		}
	}
	return n
}
