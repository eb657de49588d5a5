package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, program) }

func TestAdmin(t *testing.T) {
	t.Run("finds a halted partition and releases it over HTTP", func(t *testing.T) {
		demotest.Run(t, program, nil,
			`ok  found      admin-\w+\[\d\]@\d+ is halted: the currency is unknown`,
			`admin-\w+\[\d\] is halted by handle: fix the cause and Resume, or Skip the record`,
			`ok  guarded    without a token: 401`,
			`ok  released   Retries admin-\w+\[\d\]@\d+\. .* continues`,
			`ok  once       a colleague who tries the same: 409`,
			`ok  kept       the last events say that it was olaf`,
			`ok  handled    800 of 800 records`,
			`ok  committed  .* lag 0`,
		)
	})
}
