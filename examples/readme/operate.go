package readme

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/ops/zaplog"
	"github.com/laneway-go/laneway/stream"
)

// Serve runs a worker as a process.
func Serve(ctx context.Context, worker stream.Stream[Receipt], logger *zap.Logger, tracers trace.TracerProvider) error {
	metrics := prometheus.NewRegistry()
	p, err := worker.Build(stream.Named("billing"), stream.DrainTimeout(25*time.Second),
		stream.Observe(zaplog.To(logger), oteltrace.To(tracers), prommetrics.To(metrics)))
	if err != nil {
		return err // every fault of the chain and its configuration, before anything connects
	}
	return stream.Supervise(p).
		Serve(":8080", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})). // /livez, /readyz, /metrics
		Run(ctx)                                                              // until SIGTERM, or a failure
}

// Console runs a worker with a page for operators.
func Console(ctx context.Context, p *stream.Pipeline, secret string) error {
	return stream.Supervise(p).
		Admin(admin.At("127.0.0.1:7070", // kubectl port-forward reaches it
			admin.Token("olaf", secret, admin.Operate),
			console.Page())).
		Run(ctx)
}

// Release is what an operator does about a halt.
func Release(ctx context.Context, p *stream.Pipeline, fixed bool) {
	for _, h := range p.Halts() {
		log.Println(h) // which record, since when, at which step, why
		var err error
		if fixed {
			err = p.Resume(h) // retry that record and continue; records that had finished are not processed twice
		} else {
			err = p.Skip(h) // give that record up and continue
		}
		if err == nil {
			err = p.WaitResumed(ctx, h) // until the partition does
		}
		if err != nil {
			log.Println(err) // ErrStale: it is not that record any more
		}
	}
}

// HaltsHandler shows halts over HTTP, and releases them.
func HaltsHandler(p *stream.Pipeline) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			Release(r.Context(), p, r.FormValue("how") == "resume")
		}
		fmt.Fprintln(w, p.Halts())
	})
}
