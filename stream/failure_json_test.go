package stream_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestFailureJSON(t *testing.T) {
	f := stream.Failure{Meta: stream.Meta{Topic: "t", Offset: 7}, Step: "charge", Attempts: 3, Duration: time.Second, Err: errBoom, Value: "v"}
	h := stream.Halt{Failure: f, Since: time.Unix(1, 0).UTC(), Epoch: 2, ResumeAt: time.Unix(61, 0).UTC()}
	for name, c := range map[string]struct {
		of   any
		want map[string]any
	}{
		"a failure":          {f, nil},
		"a halt":             {h, map[string]any{"Since": "1970-01-01T00:00:01Z", "Epoch": 2.0, "ResumeAt": "1970-01-01T00:01:01Z"}},
		"a halt in a state":  {stream.PartitionState{Halt: &h}.Halt, map[string]any{"Epoch": 2.0}},
		"a halted partition": {stream.Halted{Halt: h}, map[string]any{"Epoch": 2.0}},
		"a resumed one":      {stream.Resumed{Halt: h, ByItself: true}, map[string]any{"Epoch": 2.0, "ByItself": true}},
		"a skipped record":   {stream.Skipped{Failure: f}, nil},
		"a retry":            {stream.Retrying{Failure: f, Wait: time.Second}, map[string]any{"Wait": 1e9}},
		"a joined error":     {stream.Failure{Step: "charge", Attempts: 3, Duration: time.Second, Value: "v", Err: errors.Join(errBoom)}, nil},
		"a failed letter":    {stream.DeadLetterFailed{Failure: f, Cause: errors.New("full")}, map[string]any{"Cause": "full"}},
	} {
		t.Run(name+" has its error and all its fields", func(t *testing.T) {
			text, err := json.Marshal(c.of)
			must(t, err)
			var got map[string]any
			must(t, json.Unmarshal(text, &got))
			want := map[string]any{"Step": "charge", "Attempts": 3.0, "Duration": 1e9, "Err": "boom", "Value": "v"}
			for k, v := range c.want {
				want[k] = v
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s: %v, want %v in %s", k, got[k], v, text)
				}
			}
		})
	}
	for name, c := range map[string]struct {
		f    stream.Failure
		want string
	}{
		"a time before year 0":  {stream.Failure{Meta: stream.Meta{Time: time.UnixMilli(-1e15).UTC()}}, `"Time":"-29719-04-05T22:13:20Z"`},
		"the last time":         {stream.Failure{Meta: stream.Meta{Time: time.UnixMilli(math.MaxInt64).UTC()}}, `"Time":"292278994-08-17T07:12:55.807Z"`},
		"a record with a func":  {stream.Failure{Record: struct{ F func() }{}}, `"Record":"a struct { F func() }, which encoding/json cannot write: `},
		"a value that is NaN":   {stream.Failure{Value: math.NaN()}, `"Value":"a float64, which encoding/json cannot write: `},
		"a value that panics":   {stream.Failure{Value: panicky{}}, `"Value":"a stream_test.panicky, which encoding/json cannot write: `},
		"an error of nil":       {stream.Failure{Err: (*os.PathError)(nil)}, `"Err":"a *fs.PathError whose methods panic: `},
		"an error of no UTF-8":  {stream.Failure{Err: errors.Join(errBoom, errors.New("no \xff"))}, `"Err":"boom\nno �"`},
		"a time and time again": {stream.Failure{Meta: stream.Meta{Time: time.Unix(61, 5).UTC()}}, `"Time":"1970-01-01T00:01:01.000000005Z"`},
	} {
		t.Run("is written with "+name, func(t *testing.T) {
			for _, v := range []any{c.f, stream.Halt{Failure: c.f}, stream.Skipped{Failure: c.f}} {
				text, err := json.Marshal(v)
				must(t, err)
				if !strings.Contains(string(text), c.want) {
					t.Errorf("%s lacks %s", text, c.want)
				}
			}
		})
	}
	t.Run("without an error has none", func(t *testing.T) {
		if _, err := json.Marshal(stream.Failure{}); err != nil {
			t.Error(err)
		}
	})
}

type panicky struct{}

func (panicky) MarshalJSON() ([]byte, error) { panic("a bug") }

// Whatever else has an error has its text too.
func TestEventJSON(t *testing.T) {
	tp := stream.TopicPartition{Topic: "t", Partition: 3}
	for want, e := range map[string]any{
		`{"Topic":"t","Partition":3,"Since":"1970-01-01T00:00:01Z","Err":"boom"}`: stream.Trouble{TopicPartition: tp, Since: time.Unix(1, 0).UTC(), Err: errBoom},
		`{"Partitions":[{"Topic":"t","Partition":3}],"Err":"boom"}`:               stream.DrainIncomplete{Partitions: []stream.TopicPartition{tp}, Err: errBoom},
		`{"Topic":"t","Partition":3,"Err":"boom","Attempt":2}`:                    stream.CommitFailed{TopicPartition: tp, Err: errBoom, Attempt: 2},
		`{"Cause":"boom"}`: stream.Draining{Cause: errBoom},
		`{"Err":"boom"}`:   stream.Drained{Err: errBoom},
		`{"Err":""}`:       stream.Drained{},
		`{"Step":"s","Name":"n","Text":"x","Err":"boom"}`:                stream.StepEvent{Step: "s", Name: "n", Text: "x", Err: errBoom},
		`{"Sink":"s","Name":"n","Text":"x","Err":"boom"}`:                stream.SinkEvent{Sink: "s", Name: "n", Text: "x", Err: errBoom},
		`{"Topic":"t","Partition":3,"Name":"n","Text":"x","Err":"boom"}`: stream.SourceEvent{TopicPartition: tp, Name: "n", Text: "x", Err: errBoom},
		`{"Topic":"t","Partition":3,"Epoch":1,"Err":"boom","Totals":{"Delivered":5,"Bytes":0,"Finished":0,"Uncommitted":0}}`: stream.Lost{
			TopicPartition: tp, Epoch: 1, Err: errBoom, Totals: stream.Totals{Delivered: 5}},
	} {
		text, err := json.Marshal(e)
		must(t, err)
		if string(text) != want && strings.ReplaceAll(string(text), `,"Source":""`, "") != want {
			t.Errorf("%T: %s", e, text)
		}
	}
}
