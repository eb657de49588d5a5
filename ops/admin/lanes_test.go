package admin_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/internal/opstest"
)

// lanes is what a caller knows of the keys of a partition.
type lanes struct {
	Total int
	Lanes []struct {
		Key, KeyBase64, Cause, Why, Step, Error string
		Keyless                                 bool
		Records, Attempt                        int
		Offset                                  int64
	}
}

func TestLanes(t *testing.T) {
	const path = "/v1/pipelines/billing/partitions/orders/1/lanes"
	stuck := func(f func(w *worker)) {
		var release chan struct{} // of the bubble
		haltedBy(t, func() handler {
			release = make(chan struct{})
			return func(_ context.Context, m kafka.Message) error {
				if v := string(m.Value); v == "stuck" || v == "other" {
					<-release
				}
				return nil
			}
		}, nil, func(w *worker) {
			defer close(release)
			opstest.Put(w.log, 1, "stuck", "stuck", "other")
			opstest.Pass(time.Minute)
			f(w)
		})
	}
	t.Run("tells the keys of a partition, and what they wait for", func(t *testing.T) {
		stuck(func(w *worker) {
			var all lanes
			w.get(path, reads, &all)
			if all.Total != 2 || len(all.Lanes) != 2 {
				t.Fatalf("lanes: %+v", all)
			}
			l := all.Lanes[0]
			if l.Key != "key-stuck" || l.KeyBase64 != base64.StdEncoding.EncodeToString([]byte("key-stuck")) || l.Records != 2 || l.Offset != 1 || l.Step != "charge" || l.Cause != "handler" ||
				!strings.HasPrefix(l.Why, "waits for the handler of charge, for ") {
				t.Errorf("lane: %+v", l)
			}
		})
	})
	t.Run("tells no key without a token", func(t *testing.T) {
		stuck(func(w *worker) {
			if status, text, _ := w.ask(http.MethodGet, path, "", ""); status != 200 || strings.Contains(text, "key-") || strings.Contains(text, "keyBase64") || !strings.Contains(text, `"records":2`) {
				t.Errorf("%d: %s", status, text)
			}
		})
	})
	t.Run("tells none where nothing waits", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			w.refuses(200, `{"lanes":[],"total":0}`, http.MethodGet, path, reads, "")
			w.refuses(404, "none is no partition", http.MethodGet, strings.Replace(path, "/1/", "/none/", 1), reads, "")
		})
	})
}
