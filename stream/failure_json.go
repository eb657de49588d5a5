package stream

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Failure marshals its error as text, since encoding/json writes most errors as {}. Types that
// embed a Failure and add fields need a method of their own. What encoding/json refuses is written
// as text too, so that no record keeps a failure from being told: a time in a year without four
// digits, and a value with a func, a channel or NaN in it.

type metaJSON struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Headers   []Header
	Time      string
	Source    string
}

// MarshalJSON writes the fields under their names, and Time as text in the manner of RFC 3339,
// whatever its year.
func (m Meta) MarshalJSON() ([]byte, error) {
	return json.Marshal(metaJSON{m.Topic, m.Partition, m.Offset, m.Key, m.Headers, m.Time.Format(time.RFC3339Nano), m.Source})
}

type failureJSON struct {
	Meta     Meta
	Step     string
	Attempts int
	Duration time.Duration
	Err      string
	Record   any
	Value    any
}

func (f Failure) json() failureJSON {
	return failureJSON{f.Meta, f.Step, f.Attempts, f.Duration, errorText(f.Err), marshalable(f.Record), marshalable(f.Value)}
}

// marshalable returns v, or a text in its place if encoding/json refuses it.
func marshalable(v any) any {
	var text []byte
	if err := guarded(func() (err error) { text, err = json.Marshal(v); return err }); err != nil {
		return fmt.Sprintf("a %T, which encoding/json cannot write: %v", v, err)
	}
	return json.RawMessage(text)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return printable(err).Error()
}

// MarshalJSON writes the fields under their names, and Err as text.
func (f Failure) MarshalJSON() ([]byte, error) { return json.Marshal(f.json()) }

type haltJSON struct {
	failureJSON
	Scope     Scope
	Since     time.Time
	Epoch     int32
	ResumeAt  time.Time `json:",omitzero"`
	Last      int64
	Joined    bool   `json:",omitempty"`
	Restored  bool   `json:",omitempty"`
	By        string `json:",omitempty"`
	Durable   bool   `json:",omitempty"`
	AsideFrom int64  `json:",omitempty"`
}

func (h Halt) json() haltJSON {
	return haltJSON{h.Failure.json(), h.Scope, h.Since, h.Epoch, h.ResumeAt, h.Last, h.Joined, h.Restored, h.By, h.Durable, h.AsideFrom}
}

// MarshalJSON writes the fields under their names, and Err as text.
func (h Halt) MarshalJSON() ([]byte, error) { return json.Marshal(h.json()) }

// MarshalJSON writes the fields under their names, and Err as text.
func (r Resumed) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		haltJSON
		ByItself bool
	}{r.Halt.json(), r.ByItself})
}

// MarshalJSON writes the fields under their names, and Err as text.
func (r Retrying) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		failureJSON
		Wait time.Duration
	}{r.Failure.json(), r.Wait})
}

// MarshalJSON writes the fields under their names, and Err and Cause as text.
func (d DeadLetterFailed) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		failureJSON
		Cause string
	}{d.Failure.json(), errorText(d.Cause)})
}
