package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
)

// order holds the flags and the state of a redrive.
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
	log          *log
	ends         map[stream.TopicPartition]int64 // of the topic, at the start
}

func redriveCommand() *cobra.Command {
	o := &order{}
	var because string
	c := &cobra.Command{
		Use:   "redrive TOPIC",
		Short: "Send dead letters back to where they came from",
		Long: `Sends the dead letters in TOPIC back to the topics they came from. sink.DeadLetter wrote them. It
ends after the letters that were there at the start; records that fail again are left for the next
run. It commits its progress in a group once the records are written, so another run continues from
there. Letters that the filters exclude are passed over: use another --group for other filters.

For an abridged letter, the original record is read from its topic and sent back whole. If that
record is gone, or the topic refuses it, the letter is reported and passed over, and the command
ends with status 1.`,
		Example: `  laneway redrive --brokers kafka:9092 -n orders.dlq            # shows what would go
  laneway redrive --brokers kafka:9092 --step charge orders.dlq`,
		Args:              arguments(1, 1, "one TOPIC"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			o.topic, o.started = args[0], time.Now()
			return o.redrive(c.Context(), because, c.OutOrStdout())
		},
	}
	f := c.Flags()
	o.flags(f)
	f.BoolVarP(&o.dry, "dry-run", "n", false, "show what would be sent back, but write and commit nothing")
	f.BoolVar(&o.follow, "follow", false, "keep running: wait for more letters, and pass over those that were sent back before")
	f.StringVar(&o.group, "group", "", "consumer `group` that stores the progress; default laneway-redrive-TOPIC")
	f.StringVar(&o.config.To, "to", "", "send to this `topic` instead of the original one")
	f.IntVar(&o.config.MaxTimes, "max-times", 3, "pass over records that were sent back this often")
	f.Float64Var(&o.config.PerSecond, "per-second", 0, "records to send back per second; default: no limit")
	f.StringVar(&o.origin, "origin", "", "only records from this `topic`")
	f.StringVar(&o.step, "step", "", "only records that failed at this `step`")
	f.StringVar(&o.key, "key", "", "only records with this `key`")
	f.StringVar(&because, "error", "", "only errors that this regular `expression` matches, in text or type")
	f.DurationVar(&o.since, "since", 0, "only failures within this `duration`, such as 2h")
	return c
}

func (o *order) redrive(ctx context.Context, because string, out io.Writer) error {
	if o.brokers == "" {
		return errNoBrokers
	}
	if o.group == "" {
		o.group = "laneway-redrive-" + o.topic
	}
	if o.config.To == o.topic {
		return usage("--to %s: letters cannot be sent to their own dead-letter topic, "+
			"where they would stay unread", o.topic)
	}
	var err error
	if o.because, err = regexp.Compile(because); err != nil {
		return usage("--error: %w", err)
	}
	if o.transport, err = o.cluster.transport(); err != nil {
		return err
	}
	defer o.transport.CloseIdleConnections()
	o.progress = newProgress(out, o.topic, o.dry)
	o.config.Match, o.config.OnRecord, o.config.Original = o.match, o.progress.seen, o.original
	if err = o.look(ctx); err != nil {
		return err
	}
	if o.dry {
		err = o.show(ctx)
	} else {
		err = o.send(ctx)
	}
	return errors.Join(err, o.progress.end())
}

// look stores the ends of the topic.
func (o *order) look(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if o.log, err = o.cluster.look(ctx, o.transport, o.topic); err == nil {
		o.ends, err = o.log.ends(ctx)
	}
	return err
}

// askTime bounds requests to Kafka.
const askTime = 30 * time.Second

// later reports whether a letter was written after the start.
func (o *order) later(m kafka.Message) bool {
	return m.Offset >= o.ends[stream.TopicPartition{Topic: m.Topic, Partition: m.Partition}]
}

// match applies the filters.
func (o *order) match(m kafka.Message, l ops.Letter) bool {
	failedAgain := o.later(m) && l.Redriven > 0 // probably sent back by this run
	return !failedAgain &&
		(o.origin == "" || l.Topic == o.origin) &&
		(o.step == "" || l.Step == o.step) &&
		(o.key == "" || string(m.Key) == o.key) &&
		(o.since == 0 || o.started.Sub(l.Failed) <= o.since) &&
		(o.because.MatchString(l.Error) || o.because.MatchString(l.Types))
}

// show reads what the group has not read yet, and writes nothing.
func (o *order) show(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	left, err := o.log.left(asking, o.group, o.ends)
	if err != nil {
		return err
	}
	return source.Kafka(source.KafkaConfig{Brokers: o.addrs(), Transport: o.transport, Partitions: left}).
		Via(ops.Redrive(o.config)).
		SkipOnError(o.hopeless()...).
		Run(ctx)
}

// send sends letters back, up to the ends at the start.
func (o *order) send(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	letters := source.Kafka(source.KafkaConfig{Brokers: o.addrs(), Transport: o.transport, Group: o.group, Topics: []string{o.topic}})
	if !o.follow {
		letters = letters.GroupByPartition().Serial(o.untilEnd, stream.Named("end")).RetryOnError(untilTheNext)
	}
	p, err := letters.
		GroupByKey().
		Via(ops.Redrive(o.config)).
		SkipOnError(o.hopeless()...).
		To(sink.Kafka(sink.KafkaConfig{Brokers: o.addrs(), Transport: o.transport})).
		SkipOnError(o.hopeless()...).
		CommitEvery(1000, 250*time.Millisecond).
		Build()
	if err != nil {
		return err
	}
	return o.progress.watch(ctx, p, func(s stream.Snapshot) {
		if !o.follow && o.through(s) {
			stop()
		}
	})
}

var errLater = errors.New("written after the redrive started")

// untilTheNext keeps a letter, and its partition behind it, waiting until the drain gives it up.
var untilTheNext = stream.RetryPolicy{Unlimited: true, Wait: func(stream.Failure) time.Duration { return 24 * time.Hour }}

// untilEnd stops a partition at the first letter written after the start. That letter is not
// committed, and earlier ones finish.
func (o *order) untilEnd(_ context.Context, m kafka.Message) error {
	if o.later(m) {
		return errLater
	}
	return nil
}

// hopeless gives up letters that no retry can send back.
func (o *order) hopeless() []stream.PolicyOption {
	return []stream.PolicyOption{stream.When(stream.IsPermanent), stream.OnMatch(o.progress.lost)}
}

// through reports whether all letters present at the start are finished. The drain commits the rest
// of them.
func (o *order) through(s stream.Snapshot) bool {
	for _, p := range s.Partitions {
		if p.Lag != 0 && (p.InFlight == 0 || p.Oldest.Offset < o.ends[p.TopicPartition]) {
			return false
		}
	}
	return len(s.Partitions) > 0
}
