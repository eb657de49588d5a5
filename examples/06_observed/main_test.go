package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, program) }

func TestObserved(t *testing.T) {
	t.Run("logs, traces and measures each record", func(t *testing.T) {
		demotest.Run(t, program, nil,
			`WARN  failed, it is skipped  .*"step": "worker".*"error": "nobody knows it"`,
			`ok  logged        180 records done and 20 skipped`,
			`ok  traced        200 of 200 records`,
			`ok  step by step  200`,
			`ok  measured      200 records handled, 20 of them skipped`,
			`ok  committed     .* lag 0`,
		)
	})
}
