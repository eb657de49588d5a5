package oteltrace

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// event adds an event to a record's span for each failure and its outcome.
func (t *tracing) event(e stream.Event) {
	switch e := e.(type) {
	case stream.Retrying:
		t.note(e.Failure, "retry", false, attribute.Float64("laneway.wait", e.Wait.Seconds()))
	case stream.Overrunning:
		t.note(e.Failure, "overruns its Timeout", false)
	case stream.Postponed:
		t.note(e.Failure, "postponed", false)
	case stream.Skipped:
		t.note(e.Failure, "skip", true)
	case stream.DeadLettered:
		t.note(e.Failure, "dead letter", true)
	case stream.DeadLetterFailed:
		t.note(e.Failure, "dead letter failed", true, attribute.String("laneway.cause", message(e.Cause)))
	case stream.Halted:
		if !e.Restored { // the record was not tried here
			what := "halt"
			if e.Scope != stream.ScopePartition {
				what = "park"
			}
			t.note(e.Failure, what, true)
		}
	case stream.Failed:
		t.note(e.Failure, "pipeline failed", true)
	}
}

func (t *tracing) note(f stream.Failure, what string, failed bool, more ...attribute.KeyValue) {
	t.mu.Lock()
	span := t.open[stopOf(f.Meta)]
	t.mu.Unlock()
	if span == nil {
		return // not sampled, or below a commit
	}
	step, why := legible.Text(f.Step), message(f.Err)
	span.AddEvent(what, trace.WithAttributes(append(more, attribute.String("laneway.step", step),
		attribute.Int("laneway.attempt", f.Attempts), semconv.ExceptionMessage(why))...))
	if failed {
		span.SetStatus(codes.Error, step+": "+why)
	}
}
