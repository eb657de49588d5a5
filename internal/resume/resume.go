// Package resume encodes a resume state: which records above a committed offset have finished. It
// is stored as the metadata of the offset's commit, so it is printable ASCII of a limited length.
//
// A state is
//
//	"lw1:" base64(header sections checksum)
//
// in the raw URL alphabet. The header is a digest of scope and topic name, the topic id, and the
// partition and offset as uvarints. The digest is the first 8 bytes of the SHA-256 of: the uvarint
// of the scope's length, the scope, the topic name. A section is a type, a uvarint length and a
// body; types ascend. The checksum is the CRC-32C, big endian, of everything before it, "lw1:"
// included. A state without sections has about 50 characters.
//
// Whatever changes the meaning of a stored byte gets a new version. What is added gets a new type
// of section: builds that do not know it refuse the state, which repeats work and loses nothing.
package resume

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Binding is what a state belongs to.
type Binding struct {
	Scope     string // cluster and group
	TopicID   [16]byte
	Topic     string
	Partition int
	Offset    int64 // the committed offset, which the state lies above
}

// State is what a resume state tells.
type State struct {
	Finished []Run // what has finished above the offset
	Halts    []Halt
}

// Run is a range of finished offsets: From ≤ offset < To.
type Run struct{ From, To int64 }

// What Decode refuses a state for, to be matched with errors.Is. The committed offset stands,
// except with ErrTopicID: all else matches there, so the offset too is one of the topic that is
// gone.
var (
	ErrForeign    = errors.New("it is no resume state: another client has committed")
	ErrVersion    = errors.New("this build does not know its version")
	ErrDamaged    = errors.New("it was cut off or altered")
	ErrScope      = errors.New("it was written for another cluster, group or topic name")
	ErrPartition  = errors.New("it was written for another partition")
	ErrOffset     = errors.New("it was written for another offset")
	ErrNoTopicID  = errors.New("the topic's id is known on one side only")
	ErrTopicID    = errors.New("the topic was deleted and made again")
	ErrSection    = errors.New("a newer build has written it, with a section unknown to this one")
	ErrUnreadable = errors.New("its checksum is right, but not its structure: a bug of the writer")
)

const (
	magic   = "lw"
	version = "1"
	prefix  = magic + version + ":"

	sectionFinished = 1
	sectionHalts    = 2

	digestSize   = 8
	checksumSize = crc32.Size
)

// Strict refuses bits behind the last byte, which no checksum sees.
var encoding = base64.RawURLEncoding.Strict()

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (b Binding) digest() [digestSize]byte {
	text := make([]byte, 0, binary.MaxVarintLen64+len(b.Scope)+len(b.Topic))
	text = binary.AppendUvarint(text, uint64(len(b.Scope)))
	text = append(text, b.Scope...)
	text = append(text, b.Topic...)
	sum := sha256.Sum256(text)
	return [digestSize]byte(sum[:digestSize])
}

func checksum(raw []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(prefix), castagnoli), castagnoli, raw)
}
