package crashtest

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(jobVar); config != "" {
		os.Exit(runWorker(config))
	}
	goleak.VerifyTestMain(m)
}
