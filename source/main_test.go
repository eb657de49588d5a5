package source_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if broker := os.Getenv(sleeperVar); broker != "" {
		os.Exit(sleeper(broker))
	}
	goleak.VerifyTestMain(m)
}
