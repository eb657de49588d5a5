package cookbook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
)

// Serve runs a chain until SIGTERM, with probes and metrics at :8080.
func Serve(ctx context.Context, worker stream.Stream[Receipt], addr string) error {
	metrics := prometheus.NewRegistry()
	p, err := worker.Build(
		stream.Named("billing"),
		stream.DrainTimeout(25*time.Second), // less than terminationGracePeriodSeconds
		stream.Observe(prommetrics.To(metrics)))
	if err != nil {
		return err // every fault of the chain, before anything connects
	}
	return stream.Supervise(p).
		Serve(addr, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})). // /livez, /readyz, /metrics
		Run(ctx)
}

// ExplainHandler says why a partition does not move: GET /explain?topic=orders&partition=3.
func ExplainHandler(p *stream.Pipeline) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("partition"))
		if err != nil {
			http.Error(w, "partition is a number", http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, p.Explain(stream.TopicPartition{Topic: r.FormValue("topic"), Partition: n}))
	})
}

// HaltsHandler lists halts. POST record=orders[3]@41207&how=resume (or skip) ends one.
func HaltsHandler(p *stream.Pipeline) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verbs := map[string]func(stream.Halt) error{"resume": p.Resume, "skip": p.Skip}
		for _, h := range p.Halts() {
			end := verbs[r.FormValue("how")]
			if r.Method != http.MethodPost || end == nil || h.Meta.String() != r.FormValue("record") {
				fmt.Fprintln(w, h) // which record, since when, at which step, why
				continue
			}
			err := end(h)
			if err == nil {
				err = p.WaitResumed(r.Context(), h)
			}
			if err != nil { // such as ErrStale: it is not that record any more
				http.Error(w, err.Error(), http.StatusConflict)
			}
			return
		}
	})
}

// PartitionsHandler shows how a pipeline stands, as JSON.
func PartitionsHandler(p *stream.Pipeline) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(p.Snapshot()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
