package stream

// CodeOf returns the code of an event, such as "LW515". It names the event's section in
// docs/events.md. Logs carry it. An error has its code in its text: see docs/errors.md.
func CodeOf(e Event) string {
	switch e.(type) {
	case Assigned:
		return "LW501"
	case Revoked:
		return "LW502"
	case DrainIncomplete:
		return "LW503"
	case Lost:
		return "LW504"
	case Rebalanced:
		return "LW505"
	case Committed:
		return "LW506"
	case CommitFailed:
		return "LW507"
	case AttemptFailed:
		return "LW508"
	case Overrunning:
		return "LW509"
	case Retrying:
		return "LW510"
	case Postponed:
		return "LW511"
	case Skipped:
		return "LW512"
	case DeadLettered:
		return "LW513"
	case DeadLetterFailed:
		return "LW514"
	case Halted:
		return "LW515"
	case Resumed:
		return "LW516"
	case Failed:
		return "LW517"
	case Draining:
		return "LW518"
	case Drained:
		return "LW519"
	case OffsetReset:
		return "LW520"
	case TopicRecreated:
		return "LW521"
	case StepEvent:
		return "LW522"
	case SinkEvent:
		return "LW523"
	case SourceEvent:
		return "LW524"
	case Paused:
		return "LW525"
	}
	return ""
}
