// Package demotest runs the examples as tests.
package demotest

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

// Main is an example's TestMain. The test binary is also the worker that the example starts. It
// checks for leaked goroutines.
func Main(m *testing.M, p demo.Program) {
	if p.IsWorker() {
		os.Exit(p.MainWorker())
	}
	goleak.VerifyTestMain(m)
}

// Run runs an example, on brokers or on one in this process, and returns its output. It fails the
// test if a check fails, or if a line is missing from the output. Lines are regular expressions.
func Run(t *testing.T, p demo.Program, brokers []string, lines ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := p.Demonstrate(ctx, &out, brokers, false, ""); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, line := range lines {
		if !regexp.MustCompile(line).Match(out.Bytes()) {
			t.Errorf("%q is not in:\n%s", line, &out)
		}
	}
	return out.String()
}
