package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, incident) }

func TestIncident(t *testing.T) {
	t.Run("is seen and survived", func(t *testing.T) {
		demotest.Run(t, incident, nil,
			`ERROR  partition halted .*the ledger refuses it`,
			`INFO  partition resumed`,
			`INFO  group rebalanced`,
			`ok  dead-lettered`,
			`ok  committed .* lag 0`,
		)
	})
}
