package main

import (
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, resume) }

func TestResume(t *testing.T) { repeatsLittle(t, nil) }

func TestResumeRealKafka(t *testing.T) { repeatsLittle(t, kafkatest.Real(t)) }

func repeatsLittle(t *testing.T, brokers []string) {
	t.Helper()
	demotest.Run(t, resume, brokers,
		`ok  waited     [1-9]\d* records waited`,
		`ok  drains     SIGTERM: 0 finished records`,
		`ok  crashes    kill -9: \d+ finished records .* at most \d+`,
		`ok  handled    4000 of 4000`,
		`ok  committed  .* lag 0`,
	)
}
