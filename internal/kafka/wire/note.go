package wire

import (
	"encoding/base64"
	"strings"
)

// noted begins the metadata of an offset that says which topic it is of.
const noted = "laneway topic "

var noteText = base64.RawURLEncoding

// NoteBytes is what a note takes in front of a state: the id has 22 characters.
const NoteBytes = len(noted) + 22 + len(" ")

// StateBytes is how long a state may be, so that it and a note fit what brokers take unless they
// are configured otherwise (offset.metadata.max.bytes).
const StateBytes = 4096 - NoteBytes

// note is the metadata of an offset that is stored by name; nil where the id is not known.
func note(id [16]byte) *string {
	if id == ([16]byte{}) {
		return nil
	}
	s := noted + noteText.EncodeToString(id[:])
	return &s
}

// beside puts a note in front of the state that an offset has.
func beside(note, state *string) *string {
	switch {
	case state == nil:
		return note
	case note == nil:
		return state
	}
	s := *note + " " + *state
	return &s
}

// ReadNote parts an offset's metadata into the id of the topic that it was stored for, zero where
// that is not noted, and the state that was stored with it.
func ReadNote(metadata *string) (id [16]byte, state string) {
	if metadata == nil {
		return id, ""
	}
	text, ok := strings.CutPrefix(*metadata, noted)
	if !ok {
		return id, *metadata
	}
	text, state, _ = strings.Cut(text, " ")
	b, err := noteText.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, *metadata
	}
	return [16]byte(b), state
}
