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
	Name       string // of the topic and the group
	Partitions int

	// the chain has its own observers for Demo.Tracer and Demo.Metrics; without it, Demo.Run adds
	// them
	Observed bool

	// Run seeds, runs the chain and checks. It should take at most 15 seconds, even on a slow
	// machine; ctx ends after 14.
	Run func(ctx context.Context, d *Demo) error

	// Stay says that the example runs until Ctrl-C even without -forever, for a flag of its own.
	// Optional; it is called after the flags are parsed.
	Stay func() bool

	// Work runs in the processes that Demo.Start starts. Optional.
	Work func(ctx context.Context, d *Demo) error
}

const patience = 14 * time.Second // and a second to drain

// Main runs the example as a command. It ends the process, with exit code 1 if a check failed.
//
// The flag -forever keeps it running with new records until Ctrl-C, and checks nothing. -metrics
// serves its metrics. If OTEL_EXPORTER_OTLP_ENDPOINT is set, it is traced.
func (p Program) Main() {
	if p.IsWorker() {
		os.Exit(p.MainWorker())
	}
	forever := flag.Bool("forever", false, "keep running, with records that keep coming, until Ctrl-C")
	metrics := flag.String("metrics", "", "serve /metrics at this address, such as :9464")
	flag.Parse()
	if p.Stay != nil && p.Stay() {
		*forever = true
	}
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

// Demonstrate runs the example from the broker to the report. Without brokers it starts one in this
// process. metrics is the address to serve metrics at, or empty.
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
	defer d.close()
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
