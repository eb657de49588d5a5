package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, program) }

func TestBatchObserved(t *testing.T) {
	t.Run("links batches to the traces of their records", func(t *testing.T) {
		demotest.Run(t, program, nil,
			`WARN  failed, it is skipped  .*"step": "insert".*the row is refused`,
			`ok  batches    .* of 500 of 500 records`,
			`ok  records    500 have a span`,
			`ok  continued  500 of 500`,
			`ok  measured   \d+ batches .* 10 records skipped`,
			`ok  committed  .* lag 0`,
		)
	})
}
