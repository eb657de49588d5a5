package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// order is what a redrive was asked to do.
type order struct {
	cluster
	topic, group string
	dry, follow  bool
	config       ops.RedriveConfig
	origin, step string
	key          string
	because      *regexp.Regexp
	since        time.Duration
	transport    *kafka.Transport
	started      time.Time
	progress     *progress
}

const help = `usage: laneway redrive [flags] TOPIC

Sends the dead letters in TOPIC, which sink.DeadLetter wrote, back to the topics they came from, and ends when it has read what is there. What is sent back
is committed in a group, once it is written: run again, it goes on where it was. What the filters do not want is passed over and stays behind, so give other filters
another -group. -n only shows what would be done.

`

func redrive(ctx context.Context, args []string, out, errs io.Writer) error {
	o := &order{started: time.Now()}
	f := flag.NewFlagSet("redrive", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() { fmt.Fprint(errs, help); f.PrintDefaults() }
	o.flags(f)
	f.BoolVar(&o.dry, "n", false, "a dry run: show what would be sent back, write and commit nothing")
	f.BoolVar(&o.follow, "follow", false, "go on waiting for more at the end")
	f.StringVar(&o.group, "group", "", "`group` that remembers what was sent back; default laneway-redrive-TOPIC")
	f.StringVar(&o.config.To, "to", "", "send to this `topic` instead of where each came from")
	f.IntVar(&o.config.MaxTimes, "max-times", 3, "pass over what was sent back this often already")
	f.Float64Var(&o.config.PerSecond, "per-second", 0, "send back so many a second; default as fast as it goes")
	f.StringVar(&o.origin, "origin", "", "only what came from this `topic`")
	f.StringVar(&o.step, "step", "", "only what failed at this step")
	f.StringVar(&o.key, "key", "", "only records with this key")
	because := f.String("error", "", "only where this regular `expression` matches the error or its types")
	f.DurationVar(&o.since, "since", 0, "only what failed in the last so long, such as 2h")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || o.brokers == "" {
		return errors.Join(errUsage, errors.New("TOPIC and -brokers are needed"))
	}
	if o.topic = f.Arg(0); o.group == "" {
		o.group = "laneway-redrive-" + o.topic
	}
	if o.config.To == o.topic {
		return fmt.Errorf("-to %s: what is sent there is no dead letter any more, and would stay among them unread", o.topic)
	}
	var err error
	if o.because, err = regexp.Compile(*because); err != nil {
		return fmt.Errorf("-error: %w", err)
	}
	if o.transport, err = o.cluster.transport(); err != nil {
		return err
	}
	o.progress = newProgress(out, o.topic, o.dry)
	o.config.Match, o.config.Seen = o.match, o.progress.seen
	if o.dry {
		err = o.show(ctx)
	} else {
		err = o.send(ctx)
	}
	o.progress.end()
	return err
}

// match is what the filters say.
func (o *order) match(m kafka.Message, l ops.Letter) bool {
	return (o.origin == "" || l.Topic == o.origin) &&
		(o.step == "" || l.Step == o.step) &&
		(o.key == "" || string(m.Key) == o.key) &&
		(o.since == 0 || o.started.Sub(l.Failed) <= o.since) &&
		(o.because.MatchString(l.Error) || o.because.MatchString(l.Types))
}

// show reads what the group has not, and writes nothing.
func (o *order) show(ctx context.Context) error {
	left, err := o.left(ctx, o.transport, o.topic, o.group)
	if err != nil {
		return err
	}
	return source.Kafka(source.KafkaConfig{Brokers: o.addrs(), Transport: o.transport, Partitions: left}).
		Via(ops.Redrive(o.config)).
		Run(ctx)
}

// send sends back, and ends at the end of what is there.
func (o *order) send(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p, err := source.Kafka(source.KafkaConfig{Brokers: o.addrs(), Transport: o.transport, Group: o.group, Topics: []string{o.topic}}).
		GroupByKey().
		Via(ops.Redrive(o.config)).
		To(sink.Kafka(sink.KafkaConfig{Brokers: o.addrs(), Transport: o.transport})).
		CommitEvery(1000, 250*time.Millisecond).
		Build()
	if err != nil {
		return err
	}
	return o.progress.watch(ctx, p, func() {
		if !o.follow {
			stop()
		}
	})
}

// through reports whether all that is there was read and committed.
func through(s stream.Snapshot) bool {
	for _, p := range s.Partitions {
		if p.Lag != 0 {
			return false
		}
	}
	return len(s.Partitions) > 0
}
