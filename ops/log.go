package ops

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/stream"
)

// Log writes a pipeline's life to a zap logger: what begins and ends at info, what fails and goes on at warn, what needs somebody (a halt, a failed dead
// letter, the end by a failure) at error; failures with topic, partition, offset, key, step, attempt and duration. Where the logger has debug when the
// pipeline is built, each attempt and each commit has a line there; else they cost nothing. A storm is not written out: of lines that repeat (the same
// message of the same step) the first ten are, then one a second that says how many were left out before it. Costs a reading of the clock per attempt, for
// the duration of those that fail.
func Log(l *zap.Logger) stream.Observer {
	if l == nil {
		return unusable("Log was given no logger")
	}
	return logTo(func(pipeline string) logger { return zapLogger{l.With(zap.String("pipeline", pipeline))} })
}

// LogSlog is Log for a slog logger.
func LogSlog(l *slog.Logger) stream.Observer {
	if l == nil {
		return unusable("LogSlog was given no logger")
	}
	return logTo(func(pipeline string) logger { return slogLogger{l.With("pipeline", pipeline)} })
}

// unusable is an observer that Build refuses.
func unusable(why string) stream.Observer {
	return stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) { return stream.Observer{}, errors.New(why) }}
}

// logger is what zap and slog have in common.
type logger interface {
	enabled(level slog.Level) bool
	log(level slog.Level, msg string, fields []slog.Attr)
}

func logTo(named func(pipeline string) logger) stream.Observer {
	return stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
		g := &logging{to: named(p.Describe().Name)}
		o := stream.Observer{Event: g.event, Timed: true}
		if g.debug = g.to.enabled(slog.LevelDebug); g.debug {
			o.StepDone = g.done
		}
		return o, nil
	}}
}

// logging is one pipeline's log.
type logging struct {
	to     logger
	debug  bool
	storms storms
}

func (g *logging) done(_ context.Context, c stream.Call, err error) {
	if err != nil {
		return // what becomes of it is an event
	}
	fields := append(place(c.Meta()), slog.String("step", c.Step()), slog.Int("attempt", c.Attempt()), slog.Duration("duration", c.Took()))
	if c.Batch() {
		fields = append(fields, slog.Int("records", c.Records()))
	}
	g.to.log(slog.LevelDebug, "done", fields)
}

func (g *logging) event(e stream.Event) {
	g.storms.settle(time.Now(), g.leftOut)
	switch e := e.(type) {
	case stream.Assigned:
		g.info("partition assigned", append(partition(e.TopicPartition), slog.Int64("offset", e.Offset), slog.Int("epoch", int(e.Epoch)))...)
	case stream.Revoked:
		g.info("partition revoked", append(partition(e.TopicPartition), slog.Int("epoch", int(e.Epoch)), slog.Int64("committed", e.Committed),
			slog.Int("unfinished", e.Unfinished), slog.Int64("uncommitted", e.Totals.Uncommitted))...)
	case stream.Lost:
		g.warn("partition lost", append(partition(e.TopicPartition), slog.Int("epoch", int(e.Epoch)),
			slog.Int64("uncommitted", e.Totals.Uncommitted), slog.Any("error", e.Err))...)
	case stream.Rebalanced:
		g.info("group rebalanced", slog.String("detail", e.Text))
	case stream.Committed:
		if g.debug {
			g.to.log(slog.LevelDebug, "committed", []slog.Attr{slog.Any("offsets", offsets(e.Offsets)), slog.Duration("duration", e.Took)})
		}
	case stream.CommitFailed:
		g.stormy(slog.LevelWarn, "commit failed", "", append(partition(e.TopicPartition), slog.Int("attempt", e.Attempt), slog.Any("error", e.Err)))
	case stream.Retrying:
		g.failure(slog.LevelWarn, "failed, it is tried again", e.Failure, slog.Duration("wait", e.Wait))
	case stream.Skipped:
		g.failure(slog.LevelWarn, "failed, it is skipped", e.Failure)
	case stream.DeadLettered:
		g.failure(slog.LevelWarn, "failed, it is dead-lettered", e.Failure)
	case stream.DeadLetterFailed:
		g.failure(slog.LevelError, "dead letter failed", e.Failure, slog.Any("cause", e.Cause))
	case stream.Halted:
		g.failure(slog.LevelError, "partition halted", e.Failure, slog.Int("epoch", int(e.Epoch)))
	case stream.Resumed:
		g.info("partition resumed", append(place(e.Meta), slog.Duration("halted", time.Since(e.Since)))...)
	case stream.Failed:
		g.failure(slog.LevelError, "failed, the pipeline ends", e.Failure)
	case stream.Draining:
		g.info("draining", slog.Any("cause", e.Cause))
	case stream.Drained:
		g.storms.settle(time.Time{}, g.leftOut)
		if e.Err != nil {
			g.to.log(slog.LevelError, "ended", []slog.Attr{slog.Any("error", e.Err)})
		} else {
			g.info("ended")
		}
	case stream.OffsetReset:
		level := slog.LevelWarn
		if e.From < 0 { // a group that has none yet
			level = slog.LevelInfo
		}
		g.to.log(level, "offset reset", append(partition(e.TopicPartition), slog.Int64("from", e.From), slog.Int64("to", e.To), slog.String("policy", e.Policy)))
	case stream.TopicRecreated:
		g.to.log(slog.LevelWarn, "topic was deleted and made again, an offset of the old one counts for nothing",
			append(partition(e.TopicPartition), slog.Int64("offset", e.Offset), slog.String("old", e.Old.String()), slog.String("new", e.New.String())))
	case stream.SourceEvent:
		fields := append(partition(e.TopicPartition), slog.String("detail", e.Text))
		if e.Err == nil {
			g.stormy(slog.LevelInfo, e.Name, "", fields)
		} else {
			g.stormy(slog.LevelWarn, e.Name, "", append(fields, slog.Any("error", e.Err)))
		}
	}
}

func (g *logging) info(msg string, fields ...slog.Attr) { g.to.log(slog.LevelInfo, msg, fields) }
func (g *logging) warn(msg string, fields ...slog.Attr) { g.to.log(slog.LevelWarn, msg, fields) }

func (g *logging) failure(level slog.Level, msg string, f stream.Failure, more ...slog.Attr) {
	fields := append(place(f.Meta), slog.String("step", f.Step), slog.Int("attempt", f.Attempts))
	if f.Took > 0 {
		fields = append(fields, slog.Duration("duration", f.Took))
	}
	fields = append(append(fields, more...), slog.Any("error", f.Err))
	if p, ok := errors.AsType[*stream.PanicError](f.Err); ok {
		fields = append(fields, slog.String("stack", string(p.Stack)))
	}
	g.stormy(level, msg, f.Step, fields)
}

// stormy writes what may repeat itself.
func (g *logging) stormy(level slog.Level, msg, step string, fields []slog.Attr) {
	if !g.to.enabled(level) {
		return
	}
	left, ok := g.storms.pass(line{level, msg, step})
	if !ok {
		return
	}
	if left > 0 {
		fields = append(fields, slog.Int("left_out", left))
	}
	g.to.log(level, msg, fields)
}

// leftOut tells what was left out of a storm that is over.
func (g *logging) leftOut(l line, n int) {
	fields := []slog.Attr{slog.Int("left_out", n)}
	if l.step != "" {
		fields = append(fields, slog.String("step", l.step))
	}
	g.to.log(l.level, l.msg, fields)
}

func partition(tp stream.TopicPartition) []slog.Attr {
	if tp == (stream.TopicPartition{}) {
		return nil
	}
	return []slog.Attr{slog.String("topic", tp.Topic), slog.Int("partition", tp.Partition)}
}

func place(m stream.Meta) []slog.Attr {
	fields := append(make([]slog.Attr, 0, 12), partition(m.TP())...)
	return append(fields, slog.Int64("offset", m.Offset), slog.String("key", text(m.Key)))
}

// text is a key as a line can have it.
func text(key []byte) string {
	const most = 128
	cut := key[:min(len(key), most)]
	if !utf8.Valid(cut) {
		return strconv.QuoteToASCII(string(cut))
	}
	return string(cut)
}

func offsets(m map[stream.TopicPartition]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for tp, offset := range m {
		out[tp.String()] = offset
	}
	return out
}

type zapLogger struct{ l *zap.Logger }

func (z zapLogger) enabled(level slog.Level) bool { return z.l.Core().Enabled(zapLevel(level)) }

func (z zapLogger) log(level slog.Level, msg string, fields []slog.Attr) {
	c := z.l.Check(zapLevel(level), msg)
	if c == nil {
		return
	}
	zs := make([]zap.Field, len(fields))
	for i, f := range fields {
		zs[i] = zap.Any(f.Key, f.Value.Any())
	}
	c.Write(zs...)
}

func zapLevel(l slog.Level) zapcore.Level {
	switch {
	case l < slog.LevelInfo:
		return zapcore.DebugLevel
	case l < slog.LevelWarn:
		return zapcore.InfoLevel
	case l < slog.LevelError:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}

type slogLogger struct{ l *slog.Logger }

func (s slogLogger) enabled(level slog.Level) bool { return s.l.Enabled(context.Background(), level) }

func (s slogLogger) log(level slog.Level, msg string, fields []slog.Attr) {
	s.l.LogAttrs(context.Background(), level, msg, fields...)
}
