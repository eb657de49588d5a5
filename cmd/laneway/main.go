// Laneway is the command line for operators of Laneway workers.
//
//	laneway redrive [flags] TOPIC    send dead letters back to where they came from
//
// Each command lists its flags with -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "laneway:", err)
		}
		stop()
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: laneway redrive [flags] TOPIC; laneway redrive -h lists the flags")

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 || args[0] != "redrive" {
		return errUsage
	}
	return redrive(ctx, args[1:], out, errs)
}
