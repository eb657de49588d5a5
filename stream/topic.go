package stream

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// TopicID is which topic of a name it is: one that is deleted and made again has another id. Zero:
// the source has no ids.
type TopicID [16]byte

var topicIDText = base64.RawURLEncoding

// String is the id as Kafka's tools print it, empty for none.
func (id TopicID) String() string {
	if id == (TopicID{}) {
		return ""
	}
	return topicIDText.EncodeToString(id[:])
}

// MarshalText is String.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String wrote.
func (id *TopicID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = TopicID{}
		return nil
	}
	b, err := topicIDText.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return fmt.Errorf("%q is no topic id: it has 22 characters of base64url, as kafka-topics --describe prints it", text)
	}
	copy(id[:], b)
	return nil
}

// differs reports whether both ids are known and name different topics.
func (id TopicID) differs(other TopicID) bool {
	return id != other && id != TopicID{} && other != TopicID{}
}

// Position is where to go on in a partition of a topic.
type Position struct {
	Offset  int64
	TopicID TopicID // of the topic that the offset is of; zero: not known
	// State is the resume state: which records from Offset on have finished. It is printable ASCII
	// of at most SourceInfo.StateBytes, to be stored with the offset, whole or not at all. Empty:
	// none have.
	State string
}

// TopicGoneError says that partitions' topics no longer exist under the ids that they were read
// under: they were deleted, or deleted and made again. What was read of them before is not
// committed any more.
type TopicGoneError struct {
	Partitions []TopicPartition
	Err        error // how that was found out; may be nil
}

func (e *TopicGoneError) Error() string {
	names := make([]string, len(e.Partitions))
	for i, tp := range e.Partitions {
		names[i] = tp.String()
	}
	text := strings.Join(names, ", ") + ": the topic was deleted, or deleted and made again: what was read of it is not committed any more"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Whole says that it is of no result: see IsWhole.
func (e *TopicGoneError) Whole() bool { return true }

func (e *TopicGoneError) Unwrap() error { return e.Err }
