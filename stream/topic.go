package stream

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// TopicID tells topics of the same name apart: a topic that is deleted and recreated gets another
// id. Zero: the source has no ids.
type TopicID [16]byte

var topicIDText = base64.RawURLEncoding

// String is the id as the tools of Kafka print it, empty for none.
func (id TopicID) String() string {
	if id == (TopicID{}) {
		return ""
	}
	return topicIDText.EncodeToString(id[:])
}

// MarshalText returns String.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String wrote.
func (id *TopicID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = TopicID{}
		return nil
	}
	b, err := topicIDText.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return fmt.Errorf("%q is not a topic id: pass 22 characters of base64url, as kafka-topics --describe prints it [LW226]", text)
	}
	copy(id[:], b)
	return nil
}

// differs reports whether both ids are known and differ.
func (id TopicID) differs(other TopicID) bool {
	return id != other && id != TopicID{} && other != TopicID{}
}

// Position is where the next assignment of a partition starts.
type Position struct {
	Offset  int64
	TopicID TopicID // of the topic that Offset belongs to; zero: unknown
	// State is the resume state: which records from Offset on have finished. It is printable ASCII
	// of at most SourceInfo.StateBytes. Store it with the offset, whole or not at all. Empty: none
	// have finished.
	State string
}

// TopicGoneError says that topics no longer exist under the ids they were read under: they were
// deleted, or deleted and recreated. Records read from these partitions before are no longer
// committed.
type TopicGoneError struct {
	Partitions []TopicPartition
	Err        error // how that was detected; may be nil
}

func (e *TopicGoneError) Error() string {
	names := make([]string, len(e.Partitions))
	for i, tp := range e.Partitions {
		names[i] = tp.String()
	}
	text := strings.Join(names, ", ") + ": the topic was deleted, or deleted and recreated: records read from it before are no longer committed [LW212]"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Whole reports that no single result caused the error: see IsWhole.
func (e *TopicGoneError) Whole() bool { return true }

func (e *TopicGoneError) Unwrap() error { return e.Err }
