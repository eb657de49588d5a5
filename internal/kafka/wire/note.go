package wire

import (
	"encoding/base64"
	"strings"
)

// noted begins the metadata of an offset that says which topic it is of.
const noted = "laneway topic "

var noteText = base64.RawURLEncoding

// note is the metadata of an offset that is stored by name; nil where the id is not known.
func note(id [16]byte) *string {
	if id == ([16]byte{}) {
		return nil
	}
	s := noted + noteText.EncodeToString(id[:])
	return &s
}

// NotedTopic is the id of the topic that an offset was stored for, by its metadata; zero where that
// does not say.
func NotedTopic(metadata *string) (id [16]byte) {
	if metadata == nil || !strings.HasPrefix(*metadata, noted) {
		return id
	}
	b, err := noteText.DecodeString((*metadata)[len(noted):])
	if err != nil || len(b) != len(id) {
		return id
	}
	return [16]byte(b)
}
