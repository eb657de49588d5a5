package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, simple) }

func TestSimple(t *testing.T) {
	t.Run("logs and skips failed records", func(t *testing.T) {
		demotest.Run(t, simple, nil,
			`on error: skip`,
			`skipped  handle: simple-\w+\[\d\]@42 failed after 1 attempt: it cannot be read`,
			`ok  handled     99\d of 1000 records; (9|10) failed`,
			`ok  one by one  1 at a time`,
			`ok  in order    .* but for 0`,
			`ok  skipped     .* each of the (9|10)`,
			`ok  committed   .* lag 0`,
		)
	})
}
