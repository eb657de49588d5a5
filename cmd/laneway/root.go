package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// root returns the command with its subcommands, to be run with args. They write results to out,
// and everything else to errs.
func root(args []string, out, errs io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "laneway",
		Short: "See and operate Laneway workers",
		Long: `See and operate Laneway workers.

Start with "laneway status", which shows what is wrong, and "laneway explain", which says why.`,
		Args:                       subcommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		SilenceErrors:              true,
	}
	c.SetOut(out)
	c.SetErr(errs)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c.Parent() == nil && !strings.HasPrefix(args[0], "-") {
			return subcommand(c, args) // flags of a command that is misspelt
		}
		return usage("%v%s; %s -h lists the flags", err, dashes(c, err), c.CommandPath())
	})
	c.SetUsageTemplate(c.UsageTemplate() + exitHelp)
	c.SetHelpTemplate(c.HelpTemplate())
	c.CompletionOptions.HiddenDefaultCmd = false
	c.AddGroup(&cobra.Group{ID: fleetGroup, Title: "Of running workers, by their admin APIs:"}, &cobra.Group{ID: kafkaGroup, Title: "Of what is stored in Kafka:"}, &cobra.Group{ID: planGroup, Title: "Of workers to come:"})
	for group, subs := range map[string][]*cobra.Command{
		fleetGroup: {statusCommand(), topCommand(), explainCommand(), haltsCommand(), resumeCommand(), skipCommand(), pauseCommand(), unpauseCommand(), parkCommand(), degreeCommand(), rateCommand(), drainCommand()},
		kafkaGroup: {inspectCommand(), redriveCommand(), replayCommand()},
		planGroup:  {capacityCommand()},
	} {
		for _, sub := range subs {
			sub.GroupID = group
			c.AddCommand(sub)
		}
	}
	return c
}

const (
	fleetGroup = "fleet"
	kafkaGroup = "kafka"
	planGroup  = "plan"
)

func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += ", perhaps " + strings.Join(near, " or ")
	}
	return usage("%s; %s -h lists the commands", text, c.CommandPath())
}

// dashes is the hint for a long flag that was written with one dash.
func dashes(c *cobra.Command, err error) string {
	_, given, _ := strings.Cut(err.Error(), " in -")
	if name, _, _ := strings.Cut(given, "="); c.Flags().Lookup(name) != nil {
		return ": write --" + name
	}
	return ""
}
