package main

import "github.com/spf13/cobra"

// arguments checks the number of arguments.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usage("%s takes %s, and was given %d arguments", c.CommandPath(), what, len(args))
		}
		return nil
	}
}
