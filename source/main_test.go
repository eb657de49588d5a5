package source_test

import (
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if broker := os.Getenv(sleeperVar); broker != "" {
		os.Exit(sleeper(broker))
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the failures logged here are intended
	goleak.VerifyTestMain(m)
}
