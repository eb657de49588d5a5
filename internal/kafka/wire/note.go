package wire

import (
	"encoding/base64"
	"strings"
)

// noted starts the metadata of an offset that names its topic.
const noted = "laneway topic "

var noteText = base64.RawURLEncoding

// NoteBytes is the size of a note before a state: the id has 22 characters.
const NoteBytes = len(noted) + 22 + len(" ")

// StateBytes is the largest state that fits with a note into the default offset.metadata.max.bytes.
const StateBytes = 4096 - NoteBytes

// note returns the metadata of an offset stored by name; nil if the id is unknown.
func note(id [16]byte) *string {
	if id == ([16]byte{}) {
		return nil
	}
	s := noted + noteText.EncodeToString(id[:])
	return &s
}

// beside puts a note before an offset's state.
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

// ReadNote splits an offset's metadata into the id of the topic it was stored for, zero without a
// note, and the stored state.
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
