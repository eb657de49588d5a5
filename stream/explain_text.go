package stream

import (
	"fmt"
	"strings"
	"time"
)

// String formats the explanation for an operator, in a few lines: the cause, then a line per known
// fact, and the stack last.
func (e Explanation) String() string {
	var b strings.Builder
	line := func(title, format string, args ...any) {
		fmt.Fprintf(&b, "\n  %-8s "+format, append([]any{title}, args...)...)
	}
	fmt.Fprintf(&b, "%v %s", e.TopicPartition, e.why())
	if e.Record != nil {
		key := "no key"
		if len(e.Record.Key) > 0 {
			key = fmt.Sprintf("key %q", e.Record.Key)
		}
		line("record", "%v, %s, delivered %s ago", *e.Record, key, short(e.At.Sub(e.Delivered)))
	}
	if e.Step != "" && e.Attempt > 0 {
		line("step", "%s, attempt %d", e.Step, e.Attempt)
	}
	if e.Err != nil {
		line("error", "%v", e.Err)
	}
	if e.Detail != "" {
		line("detail", "%s", e.Detail)
	}
	if e.CommitErr != nil && e.Cause != CauseCommit {
		line("commit", "refused for %s: %v", short(e.At.Sub(e.CommitFailedSince)), e.CommitErr)
	}
	if e.State == "" {
		return b.String()
	}
	if e.Record != nil {
		behind := counted(e.Behind, "record")
		if e.BehindKey > 0 {
			behind += fmt.Sprintf(", %d of its key", e.BehindKey)
		}
		if e.End > e.Next {
			behind += fmt.Sprintf("; %d more in the log", e.End-e.Next)
		}
		line("behind", "%s", behind)
	}
	line("offsets", "watermark %d, %s%s", e.Watermark, e.committed(), e.ahead())
	line("room", "%s", e.Room)
	for _, c := range e.Also {
		switch text := alsoText[c]; {
		case text != "":
			line("also", "%s", text)
		case e.Cause == CauseDrain:
			line("also", "the drain waits for this: %s", c)
		}
	}
	if e.Stack != "" {
		b.WriteString("\n  " + strings.ReplaceAll(e.Stack, "\n", "\n  "))
	}
	return b.String()
}

// why returns the cause as the rest of a sentence that starts with the partition.
func (e Explanation) why() string {
	text := map[Cause]string{
		CauseNone:         "moves",
		CauseHandler:      "waits for the handler of " + e.Step,
		CauseRetry:        "waits for the next attempt of " + e.Step,
		CausePostponed:    "waits for " + e.Step + ", whose call was postponed",
		CauseThrottle:     strings.TrimSuffix("waits for its turn in "+e.Step, " in "),
		CauseBatch:        "waits for " + e.Step + " to fill up",
		CauseTransform:    "waits for the Transform " + e.Step,
		CauseSink:         "waits for the sink of " + e.Step,
		CauseBackpressure: "waits for room below " + e.Step,
		CauseWorkers:      "waits for a worker",
		CauseHalt:         "is halted by " + e.Step + ": fix the cause and Resume, or Skip the record",
		CausePark:         "continues above a record that " + e.Step + " has parked: fix the cause and Resume, or Skip the record",
		CauseCommit:       "waits for a commit",
		CauseTransaction:  "waits for the transaction of " + e.Step,
		CauseRestore:      "waits for " + e.Step + " to return where it starts",
		CauseBudget:       "is not read: MaxInFlight or MaxBytes is used up",
		CauseResumeState:  "is not read: MaxFinishedAhead, or the size of the resume state, is used up",
		CauseDrain:        "drains",
		CauseUnreadable:   "cannot be read",
		CauseDisconnected: "cannot be read: the source is not connected",
		CauseUnassigned:   "is not assigned to this pipeline: another member of the group has it, or none has",
		CauseIdle:         "has nothing to read: everything is finished",
		CausePause:        "is paused: Resume continues reading",
		CauseStopped:      "is not read: the pipeline is not running",
	}[e.Cause]
	if e.Cause == CausePark && e.Step == "" {
		text = "continues beside a key that is parked by hand: Resume releases the key"
	}
	return text + e.times()
}

// times says how long the cause has lasted, and how long it will.
func (e Explanation) times() (text string) {
	switch {
	case e.rough && e.Since.Equal(e.At):
		text = fmt.Sprintf(", for %s at most", short(e.At.Sub(e.Delivered)))
	case e.rough:
		text = fmt.Sprintf(", for %s at least and %s at most", short(e.At.Sub(e.Since)), short(e.At.Sub(e.Delivered)))
	case !e.Since.IsZero() && e.Cause != CauseNone:
		text = fmt.Sprintf(", for %s", short(e.At.Sub(e.Since)))
	}
	if e.Until.After(e.At) {
		text += fmt.Sprintf(", %s left", short(e.Until.Sub(e.At)))
	}
	if e.Setting != "" {
		text += "; " + e.Setting
	}
	return text
}

// alsoText describes obstacles besides the cause.
var alsoText = map[Cause]string{
	CauseBudget:      "nothing more is read: MaxInFlight or MaxBytes is used up",
	CauseResumeState: "nothing more is read: MaxFinishedAhead, or the size of the resume state, is used up",
	CauseTransaction: "a transaction is in progress, or has failed",
}

func (e Explanation) committed() string {
	if e.Committed < 0 {
		return "none committed"
	}
	return fmt.Sprintf("committed %d", e.Committed)
}

func (e Explanation) ahead() string {
	if e.FinishedAhead == 0 {
		return ""
	}
	return fmt.Sprintf(", %d finished above it", e.FinishedAhead)
}

// String says what each limit still allows.
func (r Room) String() string {
	text := fmt.Sprintf("%d of %d records, %d of %d bytes", r.Records, r.MaxRecords, r.Bytes, r.MaxBytes)
	if r.Ahead >= 0 {
		text += fmt.Sprintf(", %d offsets ahead, %d in the resume state", r.Ahead, r.State)
	}
	return text
}

// short rounds a duration to seconds, or to milliseconds if it is shorter than a second.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

// ignores says for how long an attempt has overrun its Timeout, or "".
func ignores(timeout, runs time.Duration) string {
	late := runs - timeout
	if timeout <= 0 || late <= 0 {
		return ""
	}
	return fmt.Sprintf("it ignores its context: its Timeout of %v ended %v ago", timeout, short(late))
}
