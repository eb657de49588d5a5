package ops_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
)

type order struct {
	ID     string
	Amount int
}

func TestJSON(t *testing.T) {
	t.Run("decodes the value", func(t *testing.T) {
		got, err := ops.JSON[order](t.Context(), kafka.Message{Value: []byte(`{"ID":"a","Amount":7}`)})
		if want := (order{"a", 7}); err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("fails with a permanent error that says what and where", func(t *testing.T) {
		_, err := ops.JSON[order](t.Context(), kafka.Message{Value: []byte(`{"Amount":"seven"}`)})
		var typeErr *json.UnmarshalTypeError
		if !stream.IsPermanent(err) || !errors.As(err, &typeErr) || !strings.Contains(err.Error(), "decoding 18 bytes of JSON into ops_test.order at byte 17: ") {
			t.Errorf("of a wrong type: %v: permanent %v", err, stream.IsPermanent(err))
		}
		_, err = ops.JSON[order](t.Context(), kafka.Message{Value: []byte(`{"ID":"a"`)})
		var syntaxErr *json.SyntaxError
		if !stream.IsPermanent(err) || !errors.As(err, &syntaxErr) || !strings.Contains(err.Error(), "decoding 9 bytes of JSON into ops_test.order at byte 9: ") {
			t.Errorf("of invalid JSON: %v: permanent %v", err, stream.IsPermanent(err))
		}
	})
	t.Run("reports a tombstone", func(t *testing.T) {
		if _, err := ops.JSON[order](t.Context(), kafka.Message{}); !errors.Is(err, ops.ErrTombstone) || !stream.IsPermanent(err) {
			t.Errorf("into a value: %v", err)
		}
		if got, err := ops.JSON[*order](t.Context(), kafka.Message{}); got != nil || err != nil {
			t.Errorf("into a pointer: %v, %v", got, err)
		}
		if got, err := ops.JSON[*order](t.Context(), kafka.Message{Value: []byte(`{"ID":"a"}`)}); err != nil || got.ID != "a" {
			t.Errorf("a value into a pointer: %v, %v", got, err)
		}
		if _, err := ops.JSON[order](t.Context(), kafka.Message{Value: []byte{}}); err == nil || errors.Is(err, ops.ErrTombstone) {
			t.Errorf("an empty value must be invalid JSON, not a tombstone: %v", err)
		}
	})
}
