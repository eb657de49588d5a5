package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, atMostOnce) }

func TestAtMostOnce(t *testing.T) {
	t.Run("loses records in a crash, but repeats none", func(t *testing.T) {
		demotest.Run(t, atMostOnce, nil,
			`ok  committed first  of the 204 records that the killed worker had started, 0 were not committed`,
			`ok  not twice        0 of the \d+`,
			`ok  lost             [1-9]\d* of 800 .* 80 at most`,
			`ok  committed        .* lag 0`,
		)
	})
}
