package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, partition) }

func TestPartition(t *testing.T) {
	t.Run("keeps partitions in order and side by side", func(t *testing.T) {
		demotest.Run(t, partition, nil,
			`stage 1: all partitions side by side; order kept: per partition`,
			`ok  handled       1200 of 1200 records`,
			`ok  in order      .* but for 0`,
			`ok  side by side  6 records of 6 partitions at a time`,
			`ok  committed     .* lag 0`,
		)
	})
}
