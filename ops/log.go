package ops

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// Log writes the events of a pipeline to a slog logger. zaplog.To does the same for zap.
//
//   - info: a start or an end.
//   - warn: a failure that a policy handles, or a halt that ends by itself (stream.ResumeAfter).
//   - error: anything that needs attention: any other halt, a dead letter that could not be
//     written, or an end by failure.
//   - debug: every attempt and every commit, if the logger has debug enabled when the pipeline is
//     built.
//
// A failure carries its topic, partition, offset, key, step, attempt and duration. Each line of an
// event has its code: see stream.CodeOf.
//
// Repeated lines (the same message of the same step) are limited: the first ten are written, then
// one per second, with the number of lines left out. All text is valid UTF-8; other bytes of an
// error or a key are written as \xff. Log reads the clock once per attempt, for the duration of
// failed ones.
func Log(l *slog.Logger) stream.Observer {
	return stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
		if l == nil {
			return stream.Observer{}, errors.New("ops.Log was given no logger")
		}
		g := &logging{to: l.With("pipeline", legible.Text(p.Describe().Name))}
		o := stream.Observer{Event: g.event, TimeFailures: true}
		if g.debug = g.enabled(slog.LevelDebug); g.debug {
			o.StepDone = g.done
		}
		return o, nil
	}}
}

// logging is the log of one pipeline.
type logging struct {
	to     *slog.Logger
	debug  bool
	storms storms
}

func (g *logging) done(_ context.Context, c stream.Call, err error) {
	if err != nil {
		return // its outcome is an event
	}
	fields := append(place(c.Meta()), slog.String("step", c.Step()), slog.Int("attempt", c.Attempt()), slog.Duration("duration", c.Duration()))
	if c.Batch() {
		fields = append(fields, slog.Int("records", c.Records()))
	}
	g.log(slog.LevelDebug, "done", fields)
}

func (l *logging) event(e stream.Event) {
	l.storms.settle(time.Now(), l.leftOut)
	g := telling{l, stream.CodeOf(e)}
	switch e := e.(type) {
	case stream.Assigned:
		at := append(partition(e.TopicPartition), slog.Int64("offset", e.Offset), slog.Int("epoch", int(e.Epoch)))
		if e.FinishedAhead > 0 {
			at = append(at, slog.Int64("finished_ahead", e.FinishedAhead))
		}
		g.info("partition assigned", at...)
	case stream.Revoked:
		g.info("partition revoked", append(partition(e.TopicPartition), slog.Int("epoch", int(e.Epoch)), slog.Int64("committed", e.Committed),
			slog.Int("unfinished", e.Unfinished), slog.Int64("uncommitted", e.Totals.Uncommitted))...)
	case stream.DrainIncomplete:
		g.log(slog.LevelWarn, "drain incomplete", []slog.Attr{slog.Any("partitions", names(e.Partitions)), slog.Any("error", e.Err)})
	case stream.Lost:
		g.warn("partition lost", append(partition(e.TopicPartition), slog.Int("epoch", int(e.Epoch)),
			slog.Int64("uncommitted", e.Totals.Uncommitted), slog.Any("error", e.Err))...)
	case stream.Rebalanced:
		g.info("group rebalanced", slog.String("detail", e.Text))
	case stream.Committed:
		if g.debug {
			g.log(slog.LevelDebug, "committed", []slog.Attr{slog.Any("offsets", offsets(e.Offsets)), slog.Duration("duration", e.Duration)})
		}
	case stream.CommitFailed:
		g.stormy(slog.LevelWarn, "commit failed", "", append(partition(e.TopicPartition), slog.Int("attempt", e.Attempt), slog.Any("error", e.Err)))
	case stream.Retrying:
		g.failure(slog.LevelWarn, "failed, it is tried again", e.Failure, slog.Duration("wait", e.Wait))
	case stream.Overrunning:
		g.failure(slog.LevelWarn, "still running after its Timeout", e.Failure)
	case stream.Postponed:
		g.failure(slog.LevelWarn, "not attempted, it waits", e.Failure)
	case stream.Skipped:
		g.failure(slog.LevelWarn, "failed, it is skipped", e.Failure)
	case stream.DeadLettered:
		g.failure(slog.LevelWarn, "failed, it is dead-lettered", e.Failure)
	case stream.DeadLetterFailed:
		g.failure(slog.LevelError, "dead letter failed", e.Failure, slog.Any("cause", e.Cause))
	case stream.Halted:
		level, more := slog.LevelError, []slog.Attr{slog.Int("epoch", int(e.Epoch))}
		if e.Restored {
			more = append(more, slog.Bool("restored", true), slog.Time("since", e.Since))
		}
		if e.Last > e.Meta.Offset { // it speaks for several records
			more = append(more, slog.Int64("last", e.Last))
		}
		if !e.ResumeAt.IsZero() { // the halt ends by itself
			level, more = slog.LevelWarn, append(more, slog.Time("resume_at", e.ResumeAt))
		}
		g.failure(level, string(e.Scope)+" "+verb(e.Scope), e.Failure, more...)
	case stream.Paused:
		more := append(partition(e.Meta.TopicPartition()), slog.String("by", e.By), slog.Bool("durable", e.Durable))
		if !e.ResumeAt.IsZero() {
			more = append(more, slog.Time("until", e.ResumeAt))
		}
		if e.Scope == stream.ScopeLane {
			g.info("key parked", append(more, slog.String("key", legible.Key(e.Meta.Key)))...)
		} else {
			g.info("partition paused", append(more, slog.Int64("next", e.Meta.Offset))...)
		}
	case stream.Resumed:
		g.info(string(e.Scope)+" resumed", append(place(e.Meta), slog.Duration("halted", time.Since(e.Since)), slog.Bool("by_itself", e.ByItself))...)
	case stream.Failed:
		g.failure(slog.LevelError, "failed, the pipeline ends", e.Failure)
	case stream.Draining:
		g.info("draining", slog.Any("cause", e.Cause))
	case stream.Drained:
		g.storms.settle(time.Time{}, g.leftOut)
		if e.Err != nil {
			g.log(slog.LevelError, "ended", []slog.Attr{slog.Any("error", e.Err)})
		} else {
			g.info("ended")
		}
	case stream.OffsetReset:
		to := append(partition(e.TopicPartition), slog.Int64("to", e.To), slog.String("policy", e.Policy))
		if e.From < 0 { // the group has none yet
			g.info("no offset committed yet", to...)
		} else {
			g.warn("offset reset", append(to, slog.Int64("from", e.From))...)
		}
	case stream.TopicRecreated:
		g.log(slog.LevelWarn, "topic was deleted and made again, an offset of the old one counts for nothing",
			append(partition(e.TopicPartition), slog.Int64("offset", e.Offset), slog.String("old", e.Old.String()), slog.String("new", e.New.String())))
	case stream.SinkEvent:
		g.seen(e.Name, "", []slog.Attr{slog.String("sink", e.Sink), slog.String("detail", e.Text)}, e.Err)
	case stream.StepEvent:
		g.seen(e.Name, e.Step, []slog.Attr{slog.String("step", e.Step), slog.String("detail", e.Text)}, e.Err)
	case stream.SourceEvent:
		g.seen(e.Name, "", append(partition(e.TopicPartition), slog.String("detail", e.Text)), e.Err)
	}
}

// telling writes the lines of one event, with its code.
type telling struct {
	*logging
	code string
}

// seen writes an event of a source, a sink or a step.
func (g telling) seen(name, step string, fields []slog.Attr, err error) {
	if err == nil {
		g.stormy(slog.LevelInfo, name, step, fields)
		return
	}
	g.stormy(slog.LevelWarn, name, step, append(fields, slog.Any("error", err)))
}

func (g telling) log(level slog.Level, msg string, fields []slog.Attr) {
	g.logging.log(level, msg, slices.Insert(fields, 0, slog.String("code", g.code)))
}

func (g *logging) enabled(level slog.Level) bool { return g.to.Enabled(context.Background(), level) }

// log writes a line. Every line passes through here, so that its text is legible.
func (g *logging) log(level slog.Level, msg string, fields []slog.Attr) {
	for i, f := range fields {
		switch f.Value.Kind() {
		case slog.KindString:
			fields[i].Value = slog.StringValue(legible.Text(f.Value.String()))
		case slog.KindAny:
			if err, ok := f.Value.Any().(error); ok {
				fields[i].Value = slog.AnyValue(legible.Error(err))
			}
		}
	}
	g.to.LogAttrs(context.Background(), level, legible.Text(msg), fields...)
}

func (g telling) info(msg string, fields ...slog.Attr) { g.log(slog.LevelInfo, msg, fields) }
func (g telling) warn(msg string, fields ...slog.Attr) { g.log(slog.LevelWarn, msg, fields) }

func (g telling) failure(level slog.Level, msg string, f stream.Failure, more ...slog.Attr) {
	fields := append(place(f.Meta), slog.String("step", f.Step), slog.Int("attempt", f.Attempts))
	if f.Duration > 0 {
		fields = append(fields, slog.Duration("duration", f.Duration))
	}
	fields = append(append(fields, more...), slog.Any("error", f.Err))
	if p, ok := errors.AsType[*stream.PanicError](f.Err); ok {
		fields = append(fields, slog.String("stack", string(p.Stack)))
	}
	g.stormy(level, msg, f.Step, fields)
}

// stormy writes a line that may repeat.
func (g telling) stormy(level slog.Level, msg, step string, fields []slog.Attr) {
	if !g.enabled(level) {
		return
	}
	left, ok := g.storms.pass(line{level, msg, step})
	if !ok {
		return
	}
	if left > 0 {
		fields = append(fields, slog.Int("left_out", left))
	}
	g.log(level, msg, fields)
}

// leftOut writes how many lines were left out of a storm that has ended.
func (g *logging) leftOut(l line, n int) {
	fields := []slog.Attr{slog.Int("left_out", n)}
	if l.step != "" {
		fields = append(fields, slog.String("step", l.step))
	}
	g.log(l.level, l.msg, fields)
}

func partition(tp stream.TopicPartition) []slog.Attr {
	var fields []slog.Attr
	if tp.Topic != "" {
		fields = append(fields, slog.String("topic", tp.Topic), slog.Int("partition", tp.Partition))
	}
	if tp.Source != "" {
		fields = append(fields, slog.String("source", tp.Source))
	}
	return fields
}

func place(m stream.Meta) []slog.Attr {
	fields := append(make([]slog.Attr, 0, 12), partition(m.TopicPartition())...)
	return append(fields, slog.Int64("offset", m.Offset), slog.String("key", legible.Key(m.Key)))
}

func names(tps []stream.TopicPartition) []string {
	out := make([]string, len(tps))
	for i, tp := range tps {
		out[i] = legible.Text(tp.String())
	}
	return out
}

func offsets(m map[stream.TopicPartition]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for tp, offset := range m {
		out[legible.Text(tp.String())] = offset
	}
	return out
}

// verb says how a halt has stopped its scope.
func verb(s stream.Scope) string {
	if s == stream.ScopePartition {
		return "halted"
	}
	return "parked"
}
