package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, key) }

func TestKey(t *testing.T) {
	t.Run("keeps keys in order, and a slow key delays only itself", func(t *testing.T) {
		demotest.Run(t, key, nil,
			`stage 1: up to 64 keys at a time; order kept: per key`,
			`ok  handled       2500 of 2500 records`,
			`ok  in order      each of 50 keys' records one after another, but for 0`,
			`ok  side by side  \d+ keys at a time`,
			`ok  slow key      the 2450 records of the other keys`,
			`ok  committed     .* lag 0`,
		)
	})
}
