package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sourcegraph/conc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
)

// endpointVar is OpenTelemetry's own variable: where spans go, as OTLP over HTTP
// (http://localhost:4318). Its other variables (headers, timeouts, samplers) count too.
const endpointVar = "OTEL_EXPORTER_OTLP_ENDPOINT"

// telemetry exports the traces and metrics of a run.
type telemetry struct {
	traced, measured bool
	served           net.Listener // nil without a server
	server           http.Server
	wg               conc.WaitGroup // of the server
}

// startTelemetry sets Tracer and Metrics, and serves the metrics at address unless it is empty.
func (d *Demo) startTelemetry(ctx context.Context, name, address string) error {
	t := &d.telemetry
	opts := []sdk.TracerProviderOption{sdk.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("laneway-"+name)))}
	if os.Getenv(endpointVar) != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", endpointVar, err)
		}
		t.traced = true
		opts = append(opts, sdk.WithBatcher(exporter, sdk.WithBatchTimeout(time.Second), sdk.WithMaxQueueSize(1<<16)))
	}
	d.Tracer = sdk.NewTracerProvider(opts...)
	d.Metrics = prometheus.NewRegistry()
	if address == "" {
		return nil
	}
	d.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.measured = true
	var err error
	if t.served, err = net.Listen("tcp", address); err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(d.Metrics, promhttp.HandlerOpts{}))
	t.server.Handler = mux
	t.wg.Go(func() { _ = t.server.Serve(t.served) }) // it ends with Close
	d.Say("metrics at http://%v/metrics", t.served.Addr())
	return nil
}

// stopTelemetry sends the remaining spans and ends the server.
func (d *Demo) stopTelemetry() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var err error
	if d.Tracer != nil {
		err = d.Tracer.Shutdown(ctx)
	}
	t := &d.telemetry
	if t.served != nil {
		err = errors.Join(err, t.server.Close())
		t.wg.Wait()
	}
	return err
}

// Telemetry has a pipeline traced if OTEL_EXPORTER_OTLP_ENDPOINT is set, and measured if -metrics
// is given.
func (d *Demo) Telemetry() stream.Option {
	var os []stream.Observer
	if d.telemetry.traced {
		os = append(os, oteltrace.To(d.Tracer))
	}
	if d.telemetry.measured {
		os = append(os, prommetrics.To(d.Metrics))
	}
	return stream.Observe(os...)
}
