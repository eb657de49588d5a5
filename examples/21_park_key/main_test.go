package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, parkKey) }

func TestPark(t *testing.T) { holdsBackOneKey(t, nil) }

func TestParkRealKafka(t *testing.T) { holdsBackOneKey(t, kafkatest.Real(t)) }

func holdsBackOneKey(t *testing.T, brokers []string) {
	t.Helper()
	demotest.Run(t, parkKey, brokers,
		`ok  parked     key-07 waits at its record \d+`,
		`ok  others     .* 960 records`,
		`ok  ready `,
		`ok  order `,
		`ok  once       1000 of 1000 records handled, 0 of them twice`,
		`ok  committed  .* lag 0`,
	)
}
