package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
)

func TestMain(m *testing.M) { demotest.Main(m, deadLetter) }

func TestDeadLetter(t *testing.T) {
	t.Run("keeps records that fail for good as letters", func(t *testing.T) {
		demotest.Run(t, deadLetter, nil,
			`handle — on error: try 4 times over about 52 ms, then dead letter`,
			`retry    handle: dead-letter-\w+\[\d\]@\d+ failed after 3 attempts: the article is unknown; again in`,
			`ok  handled    594 of 600 records`,
			`ok  retried    16 of the 16 `,
			`ok  letters    the file has the 6 `,
			`ok  in order   .* but for 0`,
			`ok  committed  .* lag 0`,
		)
	})
}
