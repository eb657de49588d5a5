package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, limited) }

func TestLimited(t *testing.T) {
	t.Run("handles at most two at a time", func(t *testing.T) {
		demotest.Run(t, limited, nil,
			`stage 1: 2 at a time; order kept: none`,
			`ok  handled    500 of 500 records`,
			`ok  limited    never more than 2 at a time`,
			`ok  committed  .* lag 0`,
		)
	})
}
