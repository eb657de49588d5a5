package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, partitionLimit) }

func TestPartitionLimit(t *testing.T) {
	t.Run("handles one partition at a time, in turn", func(t *testing.T) {
		demotest.Run(t, partitionLimit, nil,
			`stage 1: up to 3 keys at a time, of 1 partition at a time; order kept: per key`,
			`ok  handled        10000 of 10000 records`,
			`ok  one partition  never more than 1 at a time`,
			`ok  three workers  never more than 3 records at a time`,
			`ok  in order       each of 100 keys' records one after another, but for 0`,
			`ok  in turn        each partition`,
			`ok  committed      .* lag 0`,
		)
	})
}
