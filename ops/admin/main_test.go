package admin_test

import (
	"log/slog"
	"os"
	"os/signal"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // these tests fail on purpose
	// The runtime starts a goroutine for the first Notify of a process. It must not belong to the
	// bubble of the test that runs a Supervisor first.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	goleak.VerifyTestMain(m)
}
