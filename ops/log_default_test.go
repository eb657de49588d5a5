package ops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
)

// A process without an observer gets a line for each event of which Log warns, of the same level.
func TestDefaultLogWarnsAsLogDoes(t *testing.T) {
	boom := errors.New("boom")
	tp := stream.TopicPartition{Topic: "orders", Partition: 3}
	f := stream.Failure{Meta: stream.Meta{Topic: "orders"}, Step: "charge", Attempts: 1, Err: boom}
	for _, e := range []stream.Event{
		stream.Assigned{TopicPartition: tp}, stream.Revoked{TopicPartition: tp}, stream.DrainIncomplete{Err: boom}, stream.Lost{TopicPartition: tp, Err: boom},
		stream.Rebalanced{Text: "twice"}, stream.Committed{}, stream.CommitFailed{Err: boom}, stream.AttemptFailed{Failure: f}, stream.Overrunning{Failure: f},
		stream.Retrying{Failure: f}, stream.Postponed{Failure: f}, stream.Skipped{Failure: f}, stream.DeadLettered{Failure: f}, stream.DeadLetterFailed{Failure: f, Cause: boom},
		stream.Halted{Halt: stream.Halt{Failure: f, Scope: stream.ScopePartition}}, stream.Halted{Halt: stream.Halt{Failure: f, Scope: stream.ScopeLane}},
		stream.Halted{Halt: stream.Halt{Failure: f, Scope: stream.ScopeRecord, ResumeAt: time.Now()}}, stream.Paused{}, stream.Resumed{}, stream.Failed{Failure: f},
		stream.Draining{Cause: boom}, stream.Drained{Err: boom}, stream.OffsetReset{TopicPartition: tp, From: -1}, stream.OffsetReset{TopicPartition: tp, From: 2},
		stream.TopicRecreated{TopicPartition: tp}, stream.StepEvent{Name: "breaker opened", Err: boom}, stream.StepEvent{Name: "breaker closed"},
		stream.SinkEvent{Name: "lost", Err: boom}, stream.SinkEvent{Name: "throttled"}, stream.SourceEvent{TopicPartition: tp, Name: "no answer", Err: boom}, stream.SourceEvent{Name: "slow"},
	} {
		observed, silent, unobserved := new(loudest), new(loudest), new(loudest)
		of := func(to *loudest, opts ...stream.Option) {
			before := slog.Default()
			defer slog.SetDefault(before)
			slog.SetDefault(slog.New(to))
			if err := stream.From(func() stream.Source[string] { return telling{e} }).Run(t.Context(), opts...); err != nil {
				t.Fatal(err)
			}
		}
		of(silent, stream.Observe(ops.Log(slog.New(observed))))
		of(unobserved)
		if unobserved.level != observed.level {
			t.Errorf("%T %+v: at %v, want %v", e, e, unobserved.level, observed.level)
		}
		if unobserved.level > 0 && !unobserved.coded {
			t.Errorf("%T has no code", e)
		}
		if of(silent, stream.Observe()); silent.level != 0 {
			t.Errorf("%T: logged although something observes, or nothing is to", e)
		}
	}
}

// telling is a source that emits an event and ends.
type telling struct{ e stream.Event }

func (telling) Info() stream.SourceInfo { return stream.SourceInfo{Name: "telling"} }
func (s telling) Run(_ context.Context, in *stream.Intake[string]) error {
	in.Emit(s.e)
	return nil
}
func (telling) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }

// loudest is a slog.Handler that keeps the highest level from warn on.
type loudest struct {
	level slog.Level
	coded bool
}

func (*loudest) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h *loudest) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h *loudest) WithGroup(string) slog.Handler              { return h }
func (h *loudest) Handle(_ context.Context, r slog.Record) error {
	h.level = max(h.level, r.Level)
	r.Attrs(func(a slog.Attr) bool {
		h.coded = h.coded || a.Key == "code" && fmt.Sprint(a.Value) != ""
		return true
	})
	return nil
}
