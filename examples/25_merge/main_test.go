package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, merge) }

func TestMerge(t *testing.T) {
	t.Run("bills the orders of two clusters, audits and reviews them", func(t *testing.T) {
		demotest.Run(t, merge, nil,
			`sources, with no order between them:`,
			`ok  audited eu    400 of 400`,
			`ok  reviewed eu   40 of 40`,
			`ok  billed eu     360 of 360`,
			`ok  audited us    400 of 400`,
			`ok  reviewed us   40 of 40`,
			`ok  billed us     360 of 360`,
			`ok  order         .* 0 exceptions`,
			`ok  committed us  .* lag 0`,
			`ok  committed     .* lag 0`,
		)
	})
}
