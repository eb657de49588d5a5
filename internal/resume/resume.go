// Package resume encodes a resume state: which records above a committed offset have finished. It
// is stored as the metadata of the offset's commit, so it is printable ASCII of limited length.
//
// A state is
//
//	"lw2:" base64(header sections checksum)
//
// in the raw URL alphabet. The header is a digest of scope and topic name, the topic id, and the
// partition and offset as uvarints. The digest is the first 8 bytes of the SHA-256 of: the uvarint
// of the scope's length, the scope, the topic name. A section is a type, a uvarint length and a
// body; types ascend. The checksum is the CRC-32C, big endian, of everything before it, including
// "lw2:". A state without sections has about 50 characters.
//
// A change to the meaning of a stored byte needs a new version. An addition needs a new section
// type. Builds that do not know it refuse the state, which reprocesses records and loses nothing.
package resume

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Binding identifies what a state belongs to.
type Binding struct {
	Scope     string // cluster and group
	TopicID   [16]byte
	Topic     string
	Partition int
	Offset    int64 // the committed offset; the state describes offsets from there on
}

// State is the content of a resume state.
type State struct {
	Finished []Run // finished records above the offset, but for those of Asides
	Asides   []Aside
	Halts    []Halt
	Attempts []Attempts // in ascending order of their offsets
}

// Run is a range of finished offsets: From ≤ offset < To.
type Run struct{ From, To int64 }

// Decode refuses a state with these errors; match them with errors.Is. The committed offset stays
// valid, except with ErrTopicID: everything else matched, so the offset too belongs to the topic
// that is gone.
var (
	ErrForeign    = errors.New("it is not a resume state: another client has committed")
	ErrVersion    = errors.New("this build does not know its version")
	ErrDamaged    = errors.New("it was truncated or altered")
	ErrScope      = errors.New("it was written for another cluster, group or topic name")
	ErrPartition  = errors.New("it was written for another partition")
	ErrOffset     = errors.New("it was written for another offset")
	ErrNoTopicID  = errors.New("only one side knows the topic's id")
	ErrTopicID    = errors.New("the topic was recreated")
	ErrSection    = errors.New("a newer build wrote it, with a section unknown to this one")
	ErrUnreadable = errors.New("its checksum is right but its structure is wrong: a bug of the writer")
)

const (
	magic   = "lw"
	version = "2"
	prefix  = magic + version + ":"

	sectionFinished = 1
	sectionAsides   = 2
	sectionAttempts = 3
	sectionHalts    = 4
	sectionKeys     = 5 // of the halts

	digestSize   = 8
	checksumSize = crc32.Size
)

// Strict refuses trailing bits, which no checksum covers.
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
