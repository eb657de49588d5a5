package stream

import (
	"encoding/json"
	"time"
)

// The events with an error marshal it as text, as a Failure does.

// MarshalJSON writes the fields under their names, and Err as text.
func (t Trouble) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		TopicPartition
		Since time.Time
		Err   string
	}{t.TopicPartition, t.Since, errorText(t.Err)})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e DrainIncomplete) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Partitions []TopicPartition
		Err        string
	}{e.Partitions, errorText(e.Err)})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e Lost) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		TopicPartition
		Epoch  int32
		Err    string
		Totals Totals
	}{e.TopicPartition, e.Epoch, errorText(e.Err), e.Totals})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e CommitFailed) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		TopicPartition
		Err     string
		Attempt int
	}{e.TopicPartition, errorText(e.Err), e.Attempt})
}

// MarshalJSON writes Cause as text.
func (e Draining) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Cause string }{errorText(e.Cause)})
}

// MarshalJSON writes Err as text.
func (e Drained) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Err string }{errorText(e.Err)})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e StepEvent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Step, Name, Text, Err string }{e.Step, e.Name, e.Text, errorText(e.Err)})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e SinkEvent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Sink, Name, Text, Err string }{e.Sink, e.Name, e.Text, errorText(e.Err)})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (e SourceEvent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		TopicPartition
		Name, Text, Err string
	}{e.TopicPartition, e.Name, e.Text, errorText(e.Err)})
}
