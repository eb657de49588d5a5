package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, deadLetter) }

func TestDeadLetter(t *testing.T) {
	t.Run("sends failed records back", func(t *testing.T) {
		demotest.Run(t, deadLetter, nil,
			`laneway.step             handle`,
			`ok  letters    11 of 100 records failed, and 11 say`,
			`ok  sent back  10,`,
			`ok  handled    99 of 100 in the end, none twice`,
		)
	})
}
