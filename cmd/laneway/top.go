package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func topCommand() *cobra.Command {
	var r remote
	var pipeline string
	var every time.Duration
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch all replicas, live",
		Long: `Shows all replicas in the terminal, refreshed every two seconds: the partitions, stuck ones first,
each with its lag and rate. Enter explains the chosen partition, as laneway explain does. If the
output is not a terminal, it writes a line per look, and one for each partition that gets stuck or
moves again.`,
		Example: `  laneway top --at billing-headless:7070
  laneway top >> top.log`,
		Args:              arguments(0, 0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if every < 100*time.Millisecond {
				return usage("--every %v: it is at least 100ms", every)
			}
			p := &pulse{remote: &r, pipeline: pipeline}
			if first := p.look(c.Context(), nil); first.err != nil {
				return first.err // an unknown host, for example: no look would succeed
			}
			if isTerminal(c.OutOrStdout()) && isTerminal(os.Stdin) {
				return watchScreen(c.Context(), p, every, os.Stdin, c.OutOrStdout())
			}
			return watchLines(c.Context(), p, every, c.OutOrStdout())
		},
	}
	r.flags(c.Flags())
	c.Flags().StringVar(&pipeline, "pipeline", "", "only this `pipeline`")
	c.Flags().DurationVar(&every, "every", 2*time.Second, "how often to look")
	return c
}

// watchLines writes what it sees, as lines, until ctx ends.
func watchLines(ctx context.Context, p *pulse, every time.Duration, w io.Writer) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var stuck map[string]string
	for {
		b := p.look(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		stamp := b.at.Format(time.DateTime)
		if _, err := fmt.Fprintf(w, "%s  %s\n", stamp, cell(b.summary())); err != nil {
			return err
		}
		stuck = b.news(stuck, func(line string) { fmt.Fprintf(w, "%s  %s\n", stamp, cell(line)) })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// news reports partitions that get stuck, change their cause or move again, and replicas that fall
// silent or answer again. It returns the argument for its next call.
func (b beat) news(before map[string]string, tell func(line string)) map[string]string {
	now := map[string]string{}
	for _, v := range b.views {
		if v.Error != "" {
			now[v.At] = v.Error
			if before[v.At] != v.Error {
				tell(v.At + " " + v.Error)
			}
		} else if before[v.At] != "" {
			tell(v.At + " answers again")
		}
	}
	for _, o := range partitions(b.views) {
		name := o.place().String() + " of " + o.pipeline
		switch {
		case o.stuck():
			now[name] = o.Cause
			if before[name] != o.Cause {
				tell(fmt.Sprintf("%s at %s %s", name, o.view.At, o.why()))
			}
		case before[name] != "":
			tell(name + " is no longer stuck")
		}
	}
	return now
}
