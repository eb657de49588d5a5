package stream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/laneway-go/laneway/internal/legible"
)

// unobserved is the observer of a pipeline without Observe. It logs failures to slog's default
// logger. ops.Log logs more.
func unobserved() Observer {
	return Observer{Attach: func(p *Pipeline) (Observer, error) {
		l := &lastWord{pipeline: p.plan.name, of: map[kindOfLine]*repeated{}}
		return Observer{Event: l.event}, nil
	}}
}

// lastWord logs failures. Of each kind of line it writes the first ten, then one per second.
type lastWord struct {
	pipeline string

	mu sync.Mutex // guards the field below; nothing is called under it
	of map[kindOfLine]*repeated
}

// kindOfLine is what lines that repeat have in common.
type kindOfLine struct {
	level     slog.Level
	msg, step string
}

type repeated struct {
	limit *rate.Limiter
	left  int    // lines left out since the last one
	code  string // of the last line
}

func (w *lastWord) event(e Event) {
	l := lastLine{w, CodeOf(e)}
	switch e := e.(type) {
	case DrainIncomplete:
		l.log(slog.LevelWarn, "drain incomplete", "error", e.Err)
	case Lost:
		l.log(slog.LevelWarn, "partition lost", "partition", e.TopicPartition.String(), "uncommitted", e.Totals.Uncommitted, "error", e.Err)
	case CommitFailed:
		l.log(slog.LevelWarn, "commit failed", "attempt", e.Attempt, "error", e.Err)
	case Retrying:
		l.failure(slog.LevelWarn, "failed, it is tried again", e.Failure, "wait", e.Wait)
	case Overrunning:
		l.failure(slog.LevelWarn, "still running after its Timeout", e.Failure)
	case Postponed:
		l.failure(slog.LevelWarn, "not attempted, it waits", e.Failure)
	case Skipped:
		l.failure(slog.LevelWarn, "failed, it is skipped", e.Failure)
	case DeadLettered:
		l.failure(slog.LevelWarn, "failed, it is dead-lettered", e.Failure)
	case DeadLetterFailed:
		l.failure(slog.LevelError, "dead letter failed", e.Failure, "cause", e.Cause)
	case Halted:
		what := "partition halted"
		if e.Scope != ScopePartition {
			what = string(e.Scope) + " parked"
		}
		if e.ResumeAt.IsZero() {
			l.failure(slog.LevelError, what, e.Failure)
		} else {
			l.failure(slog.LevelWarn, what, e.Failure, "resume_at", e.ResumeAt)
		}
	case Failed:
		l.failure(slog.LevelError, "failed, the pipeline ends", e.Failure)
	case Drained:
		if e.Err != nil {
			l.log(slog.LevelError, "ended", "error", e.Err)
		}
		w.leftOut()
	case OffsetReset:
		if e.From >= 0 { // -1: the group had no offset yet
			l.log(slog.LevelWarn, "offset reset", "partition", e.TopicPartition.String(), "from", e.From, "to", e.To, "policy", e.Policy)
		}
	case TopicRecreated:
		l.log(slog.LevelWarn, "topic was deleted and made again", "partition", e.TopicPartition.String(), "offset", e.Offset)
	case StepEvent:
		if e.Err != nil {
			l.ofStep(e.Step, slog.LevelWarn, e.Name, "detail", e.Text, "error", e.Err)
		}
	case SinkEvent:
		if e.Err != nil {
			l.log(slog.LevelWarn, e.Name, "sink", e.Sink, "detail", e.Text, "error", e.Err)
		}
	case SourceEvent:
		if e.Err != nil {
			fields := []any{"detail", e.Text, "error", e.Err}
			if e.Topic != "" || e.Source != "" {
				fields = append(fields, "partition", e.TopicPartition.String())
			}
			l.log(slog.LevelWarn, e.Name, fields...)
		}
	}
}

// lastLine writes the line of one event, with its code.
type lastLine struct {
	*lastWord
	code string
}

func (l lastLine) failure(level slog.Level, msg string, f Failure, more ...any) {
	l.ofStep(f.Step, level, msg, append([]any{"record", f.Meta.String(), "attempt", f.Attempts, "error", f.Err}, more...)...)
}

func (l lastLine) log(level slog.Level, msg string, fields ...any) {
	l.ofStep("", level, msg, fields...)
}

func (l lastLine) ofStep(step string, level slog.Level, msg string, fields ...any) {
	kind := kindOfLine{level, msg, step}
	if left, ok := l.pass(kind, l.code); ok {
		l.write(kind, left, fields...)
	}
}

// write writes a line, in UTF-8 only.
func (l lastLine) write(kind kindOfLine, left int, fields ...any) {
	if kind.step != "" {
		fields = append([]any{"step", kind.step}, fields...)
	}
	if left > 0 {
		fields = append(fields, "left_out", left)
	}
	fields = append([]any{"pipeline", l.pipeline, "code", l.code}, fields...)
	for i, f := range fields {
		switch f := f.(type) {
		case string:
			fields[i] = legible.Text(f)
		case error:
			fields[i] = legible.Error(f)
		}
	}
	slog.Default().Log(context.Background(), kind.level, legible.Text(kind.msg), fields...)
}

// pass reports whether a line is written, and how many of its kind were left out before.
func (w *lastWord) pass(kind kindOfLine, code string) (left int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.of[kind]
	if r == nil {
		r = &repeated{limit: rate.NewLimiter(rate.Every(time.Second), 10)}
		w.of[kind] = r
	}
	if r.code = code; !r.limit.Allow() {
		r.left++
		return 0, false
	}
	left, r.left = r.left, 0
	return left, true
}

// leftOut writes how many lines of each kind were left out since the last one.
func (w *lastWord) leftOut() {
	w.mu.Lock()
	of := w.of
	w.of = map[kindOfLine]*repeated{}
	w.mu.Unlock()
	for kind, r := range of {
		if r.left > 0 {
			lastLine{w, r.code}.write(kind, r.left)
		}
	}
}
