package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, transformCount) }

func TestTransformCount(t *testing.T) {
	t.Run("counts minutes that have more visits than are in flight", func(t *testing.T) {
		demotest.Run(t, transformCount, nil,
			`ok  2026-03-01T12:00:00Z  5000 of 5000 visits`,
			`ok  2026-03-01T12:01:00Z  5000 of 5000 visits`,
			`ok  2026-03-01T12:02:00Z  5000 of 5000 visits`,
			`ok  minutes               3 of 3`,
			`ok  in parts              a minute was added up from \d+ counts`,
			`ok  committed             .* lag 0`,
		)
	})
}
