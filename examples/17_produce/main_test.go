package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, produce) }

func TestProduce(t *testing.T) {
	t.Run("writes the result of each record", func(t *testing.T) {
		demotest.Run(t, produce, nil,
			`ok  written    19\d\d of 2000; \d+ were skipped`,
			`ok  in order   each key's, but for 0`,
			`ok  in place   .* but for 0`,
			`ok  committed  .* lag 0`,
		)
	})
}
