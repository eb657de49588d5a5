package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, fanOut) }

func TestFanOut(t *testing.T) {
	t.Run("writes each part to its topic", func(t *testing.T) {
		demotest.Run(t, fanOut, nil,
			`ok  parcels    1000 of 1000`,
			`ok  invoices   1000 of 1000`,
			`ok  alarms     (\d+) of (\d+)`,
			`ok  committed  .* lag 0`,
		)
	})
}
