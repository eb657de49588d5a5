package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, kafkaTransaction) }

var lines = []string{
	`ok  exactly once  of 3000 invoices after 4 crashes, 0 are missing and 0 duplicated`,
	`ok  in order      each key's, but for 0`,
	`ok  committed     .* lag 0`,
}

func TestKafkaTransaction(t *testing.T) {
	t.Run("loses and repeats nothing through crashes", func(t *testing.T) {
		demotest.Run(t, kafkaTransaction, nil, lines...)
	})
}

func TestKafkaTransactionRealKafka(t *testing.T) {
	demotest.Run(t, kafkaTransaction, kafkatest.Real(t), lines...)
}
