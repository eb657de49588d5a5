package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Program is an example.
type Program struct {
	Name       string // of the topic and the group, to tell them apart on a broker of yours
	Partitions int

	// its chain has observers of its own for Demo.Tracer and Demo.Metrics; those of others are
	// given theirs by Demo.Run
	Observed bool

	// Run seeds, runs the chain and checks. It should be through in 15 seconds at most, also on a
	// slow machine; ctx ends after 14.
	Run func(ctx context.Context, d *Demo) error

	// Work is what the processes do that Demo.Start starts; nil: there are none.
	Work func(ctx context.Context, d *Demo) error
}

const patience = 14 * time.Second // and a second to drain

// Main is the example as a command. It ends the process: with 1 where a check did not hold.
//
// The flag -forever keeps it running, with records that keep coming, until Ctrl-C; then nothing is
// checked. -metrics serves its metrics. Where OTEL_EXPORTER_OTLP_ENDPOINT is set, it is traced.
func (p Program) Main() {
	if p.IsWorker() {
		os.Exit(p.MainWorker())
	}
	forever := flag.Bool("forever", false, "keep running, with records that keep coming, until Ctrl-C")
	metrics := flag.String("metrics", "", "serve /metrics at this address, such as :9464")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !*forever {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if err := p.Demonstrate(ctx, os.Stdout, brokersOf(os.Getenv("KAFKA_BROKERS")), *forever, *metrics); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
}

// Demonstrate is the example from the broker to the report: brokers are those to use, none: one in
// this process; metrics is where they are served, "": nowhere.
func (p Program) Demonstrate(ctx context.Context, out io.Writer, brokers []string, forever bool, metrics string) (err error) {
	d := &Demo{Forever: forever, screen: newScreen(out), observed: p.Observed}
	if err := d.startTelemetry(ctx, p.Name, metrics); err != nil {
		return errors.Join(err, d.stopTelemetry())
	}
	defer func() { err = errors.Join(err, d.stopTelemetry()) }()
	d.broker, err = connect(brokers)
	if err != nil {
		return err
	}
	defer d.broker.close()
	defer d.endProcesses()
	d.Client = d.broker.client
	d.Kafka.Brokers = d.broker.addrs
	topic, err := d.NewTopic(ctx, p.Name, p.Partitions)
	if err != nil {
		return err
	}
	d.Kafka.Group = d.NewGroup(p.Name)
	d.Kafka.Topics = []string{topic}
	d.Say("%s; topic %s with %d partitions", d.broker.name, topic, p.Partitions)
	if err := p.Run(ctx, d); err != nil {
		return errors.Join(err, d.Report())
	}
	return d.Report()
}
