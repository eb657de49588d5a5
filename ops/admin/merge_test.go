package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// TestMerge has two sources with the same topic: what is said and done is of one of them.
func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eu, us := streamtest.Kafka("orders", 1), streamtest.Kafka("orders", 1)
		opstest.Put(eu, 0, "a")
		opstest.Put(us, 0, bad)
		p, err := stream.Merge(stream.From[kafka.Message](nil).As("eu"), stream.From[kafka.Message](nil).As("us")).GroupByPartition().Concurrent(2, opstest.Failing(map[string]int{bad: -1}), stream.Named("charge")).HaltOnError().CommitEach().
			Build(eu.SourceOf("eu"), us.SourceOf("us"), stream.Observe(), stream.Named("billing"), stream.BuildID(""))
		must(t, err)
		h, err := admin.Local([]*stream.Pipeline{p}, nil, tokens...)
		must(t, err)
		d := desk{t, h}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		opstest.Pass(time.Minute)

		var body struct {
			Partitions []struct{ Source, Cause, Why string }
		}
		d.get("/v1/pipelines/billing/partitions", "", &body)
		if text := fmt.Sprint(body.Partitions); strings.Contains(text, "{eu halt") || !strings.Contains(text, "{us halt us/orders[0] is halted") {
			t.Errorf("partitions: %s", text)
		}
		const one = "/v1/pipelines/billing/partitions/orders/0?source="
		d.refuses(200, "eu/orders[0] has nothing to read", http.MethodGet, one+"eu", "", "")
		d.refuses(200, "us/orders[0] is halted", http.MethodGet, one+"us", "", "")
		d.refuses(200, "is not assigned", http.MethodGet, one+"asia", "", "")
		var halts struct{ Halts []struct{ ID, Source string } }
		d.get("/v1/halts", "", &halts)
		if len(halts.Halts) != 1 || halts.Halts[0].Source != "us" {
			t.Errorf("halts: %+v", halts)
		}
		epoch := p.Snapshot().Partitions[0].Epoch
		d.refuses(200, "eu/orders[0] is paused", http.MethodPost, pause, operates, fmt.Sprintf(`{"source":"eu","topic":"orders","partition":0,"epoch":%d}`, epoch))
		d.refuses(200, `"source":"eu"`, http.MethodGet, "/v1/events", reads, "")
		stop()
		must(t, <-ended)
	})
}
