package admin

import (
	"fmt"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// eventOf is what is kept of an event: text of bounded size, and none of its record. Attempts and
// commits that were stored are not kept; ok is false.
func eventOf(e stream.Event) (b adminapi.Event, repeats, ok bool) {
	switch e := e.(type) {
	case stream.Assigned:
		return at(e.TopicPartition, "info", "assigned", "from %d on", e.Offset), false, true
	case stream.Revoked:
		return at(e.TopicPartition, "info", "revoked", "at %d, with %d unfinished", e.Committed, e.Unfinished), false, true
	case stream.Lost:
		return at(e.TopicPartition, "warn", "lost", "%v", e.Err), false, true
	case stream.DrainIncomplete:
		return note("warn", "drain incomplete", "%v", e.Err), false, true
	case stream.Rebalanced:
		return note("info", "rebalanced", "%s", e.Text), false, true
	case stream.CommitFailed:
		return at(e.TopicPartition, "warn", "commit failed", "attempt %d: %v", e.Attempt, e.Err), true, true
	case stream.Overrunning:
		return failed("warn", "overrunning", e.Failure), true, true
	case stream.Retrying:
		b = failed("warn", "retrying", e.Failure)
		b.Text += fmt.Sprintf("; again in %v", e.Wait.Round(time.Millisecond))
		return b, true, true
	case stream.Postponed:
		return failed("warn", "postponed", e.Failure), true, true
	case stream.Skipped:
		return failed("warn", "skipped", e.Failure), true, true
	case stream.DeadLettered:
		return failed("warn", "dead-lettered", e.Failure), true, true
	case stream.DeadLetterFailed:
		b = failed("error", "dead letter failed", e.Failure)
		b.Text += "; its dead letter: " + text(e.Cause)
		return b, true, true
	case stream.Halted:
		b = failed("error", "halted", e.Failure)
		if !e.ResumeAt.IsZero() {
			b.Level = "warn"
		}
		b.Text = strings.Replace(said(e.Halt, false), fmt.Sprintf("key %q", hidden), "a key", 1)
		if e.Scope != stream.ScopePartition {
			b.Kind = "parked"
		}
		return b, false, true
	case stream.Paused:
		b = at(e.Meta.TopicPartition(), "info", "paused", "by %s", e.By)
		if e.Scope == stream.ScopeLane {
			b.Kind, b.Key = "parked", legible.Key(e.Meta.Key)
		}
		if !e.ResumeAt.IsZero() {
			b.Text += ", until " + e.ResumeAt.Format(time.RFC3339)
		}
		return b, false, true
	case stream.Resumed:
		b = at(e.Meta.TopicPartition(), "info", "resumed", "continues from %d", e.Meta.Offset)
		if e.ByItself {
			b.Text += ", by itself"
		}
		return b, false, true
	case stream.Failed:
		return failed("error", "failed", e.Failure), false, true
	case stream.Draining:
		return note("info", "draining", "%v", e.Cause), false, true
	case stream.Drained:
		if e.Err != nil {
			return note("error", "ended", "%v", e.Err), false, true
		}
		return note("info", "ended", "drained"), false, true
	case stream.OffsetReset:
		if e.From < 0 { // the group has none yet
			return at(e.TopicPartition, "info", "no offset committed yet", "it starts at %d (%s)", e.To, e.Policy), false, true
		}
		return at(e.TopicPartition, "warn", "offset reset", "from %d to %d (%s)", e.From, e.To, e.Policy), false, true
	case stream.TopicRecreated:
		return at(e.TopicPartition, "warn", "topic recreated", "offset %d of the old one counts for nothing", e.Offset), false, true
	case stream.StepEvent:
		b = note(levelOf(e.Err), e.Name, "%s%s", e.Text, behind(e.Err))
		b.Step = legible.Text(e.Step)
		return b, true, true
	case stream.SinkEvent:
		b = note(levelOf(e.Err), e.Name, "%s%s", e.Text, behind(e.Err))
		b.Step = legible.Text(e.Sink)
		return b, true, true
	case stream.SourceEvent:
		return at(e.TopicPartition, levelOf(e.Err), e.Name, "%s%s", e.Text, behind(e.Err)), true, true
	}
	return b, false, false
}

func note(level, kind, format string, args ...any) adminapi.Event {
	return adminapi.Event{Level: level, Kind: legible.Text(kind), Text: legible.Cut(fmt.Sprintf(format, args...), textMost)}
}

func at(tp stream.TopicPartition, level, kind, format string, args ...any) adminapi.Event {
	b := note(level, kind, format, args...)
	if tp.Topic != "" {
		b.Source, b.Topic, b.Partition = legible.Text(tp.Source), legible.Text(tp.Topic), &tp.Partition
	}
	return b
}

func failed(level, kind string, f stream.Failure) adminapi.Event {
	b := note(level, kind, "%v", f)
	b.Step, b.Stack = legible.Text(f.Step), stackOf(f.Err)
	placed(&b, f.Meta)
	return b
}

func placed(b *adminapi.Event, m stream.Meta) {
	partition, offset := m.Partition, m.Offset // a pointer into m would keep its record in memory
	b.Source, b.Topic, b.Partition, b.Offset, b.Key = legible.Text(m.Source), legible.Text(m.Topic), &partition, &offset, legible.Key(m.Key)
}

func levelOf(err error) string {
	if err != nil {
		return "warn"
	}
	return "info"
}

func behind(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
