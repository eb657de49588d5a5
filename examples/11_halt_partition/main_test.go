package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, haltPartition) }

func TestHalt(t *testing.T) {
	showsItsPoint(t, nil)
}

func TestHaltRealKafka(t *testing.T) {
	showsItsPoint(t, kafkatest.Real(t))
}

func TestTrace(t *testing.T) {
	var spans atomic.Int64 // requests with spans of handled records
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && bytes.Contains(body, []byte("process halt-")) && bytes.Contains(body, []byte("the currency is unknown")) {
			spans.Add(1)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	showsItsPoint(t, nil)
	if spans.Load() == 0 {
		t.Error("no span of a halted record arrived")
	}
}

func showsItsPoint(t *testing.T, brokers []string) {
	t.Helper()
	demotest.Run(t, haltPartition, brokers,
		`ok  halted     partitions 1 and 2 wait at their records 20 and 30`,
		`ok  others     .* map\[0:100 1:20 2:30 3:100\]`,
		`(?s)ok  not dead   /readyz was 200, /livez 200.*ok  not dead   /readyz was 200, /livez 200`,
		`ok  restarted  .* map\[0:100 1:20 2:30 3:100\]`,
		`ok  resumed    .* 80 records \[20…99\]`,
		`ok  skipped    .* 69 records \[31…99\]`,
		`ok  not twice `,
		`ok  exit code  0`,
		`ok  committed  .* lag 0`,
	)
}
