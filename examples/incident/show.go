package main

import (
	"context"
	"errors"
	"time"

	"github.com/sourcegraph/conc"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops/admin"
	page "github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/ops/zaplog"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

const seeded = 2000

func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.SeedTraced(ctx, records(seeded)...); err != nil {
		return err
	}
	letters, err := d.NewTopic(ctx, "incident-letters", 1)
	if err != nil {
		return err
	}
	// by which a member learns that another has joined
	d.Kafka.HeartbeatInterval = 200 * time.Millisecond
	h := newHandler()
	log := zaplog.To(zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(short), zapcore.AddSync(d.Lines()), zap.InfoLevel)))
	ready, committed := d.AllCommitted()
	member := func(opts ...stream.Option) (*stream.Pipeline, error) {
		to := sink.DeadLetter(sink.KafkaConfig{Brokers: d.Kafka.Brokers, Topic: letters}, sink.DeadLetterGroup(d.Kafka.Group))
		return worker(d.Kafka, h, to).Build(append(opts, stream.Named("incident"), stream.Observe(log, oteltrace.To(d.Tracer), prommetrics.To(d.Metrics), ready))...)
	}
	p, err := member()
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	var wg conc.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	wg.Go(func() { operate(ctx, d, p, h) })
	wg.Go(func() { visit(ctx, d, h, member) })
	err = d.RunUntil(ctx, committed, served(p))
	stop()
	wg.Wait()
	if err != nil || d.Forever {
		return err
	}
	return errors.Join(check(d), d.CheckCommitted(context.Background()))
}

// short is the format of lines on the screen; a production logger has its own.
var short = zapcore.EncoderConfig{LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.CapitalLevelEncoder,
	EncodeDuration: zapcore.StringDurationEncoder, ConsoleSeparator: "  "}

// served runs a pipeline, with a console if it was asked for.
func served(p *stream.Pipeline) func(context.Context) error {
	if *console == "" {
		return p.Run
	}
	return stream.Supervise(p).Admin(admin.At(*console, admin.InsecurePlaintext(), admin.Previews(nil), page.Page())).Run
}

const (
	// reaction is how long it takes to fix the cause of a halt.
	reaction = 2 * time.Second
	// patience is how long a halt with a fixed cause is left to whoever looks at the console.
	patience = time.Minute
)

// gently is the rate that the operator sets after a halt.
const gently = 1000

// operate fixes the cause of a halt, resumes the partition, and limits the rate of its worker.
func operate(ctx context.Context, d *demo.Demo, p *stream.Pipeline, h *handler) {
	for demo.Pause(ctx, 100*time.Millisecond) == nil {
		for _, halt := range p.Halts() {
			if time.Since(halt.Since) < reaction {
				continue
			}
			h.fix(halt)
			if *console != "" && time.Since(halt.Since) < patience {
				continue
			}
			if err := p.Resume(halt); err != nil && !errors.Is(err, stream.ErrStale) {
				d.Say("  operator  %v", err)
			}
			if err := p.SetRate("", 0, gently); err != nil && !errors.Is(err, stream.ErrSeen) && !errors.Is(err, stream.ErrNotRunning) {
				d.Say("  operator  %v", err)
			}
		}
	}
}

// visitTime is how long a visitor works.
const visitTime = 700 * time.Millisecond

// visit has a second member join the group for a while. It leaves without finishing its started
// records. With -forever, this repeats.
func visit(ctx context.Context, d *demo.Demo, h *handler, member func(...stream.Option) (*stream.Pipeline, error)) {
	for again := true; again && demo.Pause(ctx, 100*time.Millisecond) == nil; again = d.Forever {
		visiting, leave := context.WithCancel(ctx)
		p, err := member(stream.DrainTimeout(0), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.Assigned); ok {
				time.AfterFunc(visitTime, leave)
			}
		}}))
		if err != nil {
			leave()
			d.Say("  visitor   %v", err)
			return
		}
		var wg conc.WaitGroup
		wg.Go(func() { operate(visiting, d, p, h) })
		if err := p.Run(visiting); err != nil && !errors.Is(err, stream.ErrDrain) {
			d.Say("  visitor   %v", err)
		}
		leave()
		wg.Wait()
		if d.Forever && demo.Pause(ctx, 10*time.Second) != nil {
			return
		}
	}
}

// check reads the metrics that Prometheus would see.
func check(d *demo.Demo) error {
	var errs []error
	for _, m := range []struct{ name, metric string }{
		{"handled", "laneway_records_handled_total"}, {"failed", "laneway_attempts_failed_total"}, {"retried", "laneway_retries_total"},
		{"skipped", "laneway_records_skipped_total"}, {"dead-lettered", "laneway_records_dead_lettered_total"}, {"halted", "laneway_halts_total"},
		{"rebalanced", "laneway_rebalances_total"}, {"revoked", "laneway_partitions_revoked_total"}, {"done twice", "laneway_possible_duplicates_total"},
		{"batches", "laneway_batch_size_records"},
		{"commits", "laneway_commit_duration_seconds"},
	} {
		sum, _, err := d.Metric(m.metric)
		errs = append(errs, err)
		d.Check(m.name, sum > 0, "%s is %.5g", m.metric, sum)
	}
	return errors.Join(errs...)
}
