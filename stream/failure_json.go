package stream

import (
	"encoding/json"
	"time"
)

// A Failure marshals its error as text, since encoding/json writes most errors as {}. Types that
// embed a Failure and add fields need a method of their own.

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
	return failureJSON{f.Meta, f.Step, f.Attempts, f.Duration, errorText(f.Err), f.Record, f.Value}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
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
