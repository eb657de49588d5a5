package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, parallel) }

func TestParallel(t *testing.T) {
	t.Run("commits nothing past an unfinished record", func(t *testing.T) {
		demotest.Run(t, parallel, nil,
			`stage 1: 100 at a time; order kept: none`,
			`ok  handled    3000 of 3000 records`,
			`ok  at a time  100 records`,
			`ok  no gap     with offset 7 unfinished and all 2999 others through, the broker had 7 committed`,
			`ok  committed  .* lag 0`,
		)
	})
}
