package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, branches) }

func TestBranches(t *testing.T) {
	t.Run("bills while the audit log is away, and loses nothing of it", func(t *testing.T) {
		demotest.Run(t, branches, nil,
			`ok  billed      (\d+) of (\d+)`,
			`ok  reviewed    (\d+) of (\d+)`,
			`ok  audited     600 of 600`,
			`ok  ridden out  .* while the audit log was away`,
			`ok  once        0 `,
			`ok  order       .* 0 exceptions`,
			`ok  committed   .* lag 0`,
		)
	})
}
