package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// replay copies a span of records to another topic.
type replay struct {
	cluster
	topic, to   string
	from, until string
	partitions  []int
	keys        []string
	value       string
	perSecond   float64
	dry         bool

	match   *regexp.Regexp
	started time.Time
	shows   *replayProgress
}

func replayCommand() *cobra.Command {
	r := &replay{}
	c := &cobra.Command{
		Use:   "replay TOPIC --from POSITION --to TOPIC",
		Short: "Copy a span of records to another topic",
		Long: `Copies a span of records from TOPIC to another topic, for a worker of its own to read. It joins no
group and commits nothing, so workers that read TOPIC are not affected. Keys, values, headers and
times stay as they are, and records of a key keep their order. It ends after the records that were
there when it started.

A POSITION is a duration before now (1h30m), a time (2026-01-31T03:00:00Z), an offset (@41207), or
earliest. Times are compared with those of the records. The span ends before --until, if given.

If it is interrupted, or a record is refused, the records written so far stay. Another run starts
the span from its beginning.`,
		Example: `  laneway replay orders --from 1h --to orders.replay -n        # counts, and writes nothing
  laneway replay orders --from @41000 --until @42000 --partition 3 --to orders.replay`,
		Args:              arguments(1, 1, "one TOPIC"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			r.topic, r.started = args[0], time.Now()
			return r.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	r.flags(f)
	f.StringVar(&r.to, "to", "", "`topic` to write to; it must exist")
	f.StringVar(&r.from, "from", "", "`position` of the first record")
	f.StringVar(&r.until, "until", "", "`position` after the last record; default: the end of the topic now")
	f.IntSliceVar(&r.partitions, "partition", nil, "only this `partition`; may be given several times")
	f.StringArrayVar(&r.keys, "key", nil, "only records with this `key`; may be given several times")
	f.StringVar(&r.value, "match", "", "only records whose value this regular `expression` matches")
	f.Float64Var(&r.perSecond, "per-second", 0, "records to write per second; default: no limit")
	f.BoolVarP(&r.dry, "dry-run", "n", false, "count what would be written, and write nothing")
	return c
}

func (r *replay) check() (from, until position, err error) {
	switch {
	case r.brokers == "":
		return from, until, errNoBrokers
	case r.from == "" || r.to == "":
		return from, until, usage("--from and --to are required")
	case r.to == r.topic:
		return from, until, usage("--to %s: workers that read it would get the records again", r.to)
	case r.perSecond < 0:
		return from, until, usage("--per-second %v", r.perSecond)
	}
	var errs [3]error
	from, errs[0] = parsePosition("--from", r.from, r.started)
	if until = atEnd; r.until != "" {
		until, errs[1] = parsePosition("--until", r.until, r.started)
	}
	if r.match, errs[2] = regexp.Compile(r.value); errs[2] != nil {
		errs[2] = usage("--match: %w", errs[2])
	}
	return from, until, errors.Join(errs[:]...)
}

func (r *replay) run(ctx context.Context, out, errs io.Writer) error {
	from, until, err := r.check()
	if err != nil {
		return err
	}
	t, err := r.transport()
	if err != nil {
		return err
	}
	defer t.CloseIdleConnections()
	spans, err := r.spans(ctx, t, from, until)
	if err != nil {
		return err
	}
	r.shows = newReplayProgress(errs, spans)
	if len(spans) > 0 {
		err = r.copy(ctx, t, spans)
	}
	if err == nil && ctx.Err() != nil {
		err = errors.New("interrupted: written records stay, and another run starts the span from its beginning")
	}
	r.shows.end()
	_, bad := fmt.Fprintln(out, r.says())
	return errors.Join(err, bad)
}

// copy reads the spans, and writes the chosen records.
func (r *replay) copy(ctx context.Context, t *kafka.Transport, spans map[stream.TopicPartition]extent) error {
	read := map[stream.TopicPartition]source.Span{}
	for tp, e := range spans {
		read[tp] = source.Span{From: source.AtOffset(e.from), To: source.AtOffset(e.until)}
	}
	chosen := source.Kafka(source.KafkaConfig{Brokers: r.addrs(), Transport: t, Partitions: read}).
		GroupByPartition().
		MapConcurrent(len(read), r.read, stream.Named("read")).
		Filter(r.wants)
	if r.perSecond > 0 {
		chosen = chosen.Throttle(r.perSecond, 1)
	}
	if !r.dry {
		chosen = chosen.To(sink.Kafka(sink.KafkaConfig{Brokers: r.addrs(), Transport: t, Topic: r.to}))
	}
	p, err := chosen.Tap(r.shows.wrote, stream.Named("count")).Build(stream.Observe())
	if err != nil {
		return err
	}
	return r.shows.watch(ctx, p.Run)
}

// read counts a record that was read.
func (r *replay) read(_ context.Context, m kafka.Message) (kafka.Message, error) {
	r.shows.read(m)
	return m, nil
}

func (r *replay) wants(m kafka.Message) bool {
	return (len(r.keys) == 0 || slices.Contains(r.keys, string(m.Key))) && r.match.Match(m.Value)
}

func (r *replay) says() string {
	verb := "written to"
	if r.dry {
		verb = "would be written to"
	}
	read, wrote := r.shows.counts()
	return fmt.Sprintf("%s: %d %s %s, of %d read in %s", r.topic, wrote, verb, r.to, read, ago(time.Since(r.started)))
}
