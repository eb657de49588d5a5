package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, exactlyOnce(0)) }

const kills = 20

func TestExactlyOnce(t *testing.T) { showsItsPoint(t, nil) }

func TestExactlyOnceRealKafka(t *testing.T) {
	showsItsPoint(t, kafkatest.Real(t))
}

func showsItsPoint(t *testing.T, brokers []string) {
	t.Helper()
	// starting a worker after each kill takes time
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := exactlyOnce(kills).Demonstrate(ctx, &out, brokers, false, ""); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, line := range []string{
		`worker 20  kill -9 in transfer \d+`,
		`ok  exact       of 1260 transfers 0 are lost, 0 are booked twice, 0 by half`,
		`ok  balance     of each of 8 accounts`,
		`ok  undone      \d+ were cut off`,
		`ok  one by one `,
		`ok  exit code   0`,
		`ok  committed   .* lag 0`,
	} {
		if !regexp.MustCompile(line).Match(out.Bytes()) {
			t.Errorf("%q is not in:\n%s", line, &out)
		}
	}
}
