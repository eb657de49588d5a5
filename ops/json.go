package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// ErrTombstone is JSON's error for a record without a value: it says that its key was deleted.
// JSON[*T] gives nil for it instead.
var ErrTombstone = errors.New("the record is a tombstone: its key was deleted; JSON[*T] gives nil for it")

// JSON decodes a record's value, for Map. 1→1. What cannot be decoded is a permanent error, which
// no retry is made of: it says what and at which byte, wraps encoding/json's own, and matches
// ErrTombstone where there is no value. A value "null" is what encoding/json makes of it. Costs
// what encoding/json costs.
func JSON[T any](_ context.Context, m kafka.Message) (v T, err error) {
	if m.Value == nil {
		if reflect.TypeFor[T]().Kind() == reflect.Pointer {
			return v, nil
		}
		return v, stream.Permanent(ErrTombstone)
	}
	if err := json.Unmarshal(m.Value, &v); err != nil {
		return v, stream.Permanent(fmt.Errorf("decoding %d bytes of JSON into %v%s: %w", len(m.Value), reflect.TypeFor[T](), at(err), err))
	}
	return v, nil
}

// at is the place in the value, which encoding/json knows and does not say.
func at(err error) string {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf(" at byte %d", syntax.Offset)
	case errors.As(err, &wrongType):
		return fmt.Sprintf(" at byte %d", wrongType.Offset)
	}
	return ""
}
