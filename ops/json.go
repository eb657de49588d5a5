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

// ErrTombstone is the error of JSON for a record without a value: a tombstone, which says that its
// key was deleted. JSON[*T] returns nil for it instead.
var ErrTombstone = errors.New("the record is a tombstone: its key was deleted; JSON[*T] returns nil for it [LW441]")

// JSON decodes a record's value, for use with Map. 1→1. If the value cannot be decoded, the error
// is permanent, so no retry is made. It says what failed at which byte, and wraps the error of
// encoding/json. It matches ErrTombstone if there is no value. The value "null" is left to
// encoding/json. JSON costs what encoding/json costs.
func JSON[T any](_ context.Context, m kafka.Message) (v T, err error) {
	if m.Value == nil {
		if reflect.TypeFor[T]().Kind() == reflect.Pointer {
			return v, nil
		}
		return v, stream.Permanent(ErrTombstone)
	}
	if err := json.Unmarshal(m.Value, &v); err != nil {
		return v, stream.Permanent(fmt.Errorf("decoding %d bytes of JSON into %v%s: %w [LW442]", len(m.Value), reflect.TypeFor[T](), at(err), err))
	}
	return v, nil
}

// at returns the position in the value, which encoding/json knows but leaves out of its message.
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
