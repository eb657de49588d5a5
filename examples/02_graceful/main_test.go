package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, graceful) }

func TestGraceful(t *testing.T) {
	t.Run("finishes started records, and a second run does the rest", func(t *testing.T) {
		showsItsPoint(t, nil)
	})
}

func TestGracefulRealKafka(t *testing.T) {
	showsItsPoint(t, kafkatest.Real(t))
}

func showsItsPoint(t *testing.T, brokers []string) {
	t.Helper()
	demotest.Run(t, graceful, brokers,
		`ok  not ready  /readyz was 503 after \d+`,
		`ok  alive      /livez was 200 in the drain`,
		`ok  exit code  0`,
		`ok  finished `,
		`ok  no more `,
		`ok  the rest `,
		`ok  committed  .* lag 0`,
	)
}
