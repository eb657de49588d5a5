// Laneway is the command line for operators of Laneway workers: it shows and operates all replicas
// of a worker over their admin APIs, reads and edits what a group has stored in Kafka, and sends
// dead letters back.
//
//	laneway status --at billing-headless:7070
//
// With -h each command explains what it does, its flags, and its exit codes.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, told(err))
		os.Exit(exitCode(err))
	}
}

// told formats an error for a terminal.
func told(err error) string {
	return "laneway: " + strings.ReplaceAll(printable(err.Error()), "\n", "\nlaneway: ")
}

// run runs one command.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	c := root(args, out, errs)
	c.SetArgs(args)
	if args == nil {
		c.SetArgs([]string{}) // nil would be those of the process
	}
	return c.ExecuteContext(ctx)
}
