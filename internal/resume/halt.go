package resume

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Scope is what a halt stops.
type Scope uint8

const (
	Partition Scope = iota
	Lane            // the records with the same key
	Record
	scopes
)

// Halt is a record that halted its partition or lane, and the builds that attempted it.
type Halt struct {
	Scope        Scope
	Offset, Last int64 // range of records that may have caused the failure
	Joined       bool  // the records form one element
	Attempts     int
	Since        int64 // Unix seconds
	ResumeAt     int64 // Unix seconds when the halt ends on its own; 0: never
	Builds       []Build
	Step         string
	Key, Error   string // left out first if the state is too long
	KeyCut       bool   // Key is not complete
}

// Build identifies a program that attempted a halted record, by a digest of its name.
type Build [8]byte

// BuildOf returns the digest of a build's name.
func BuildOf(name string) Build {
	sum := sha256.Sum256([]byte(name))
	return Build(sum[:len(Build{})])
}

// largest lengths of a stored text
const (
	textMax = 200
	stepMax = 60
	keyMax  = 100
)

// LeastHalt is the least number of characters that a halt takes in a state.
const LeastHalt = (11 + len(Build{}) + 3) * 4 / 3 // seven numbers, a build and three empty texts

// appendHalts appends the section of halts as far as it fits into size: those that fit with their
// texts, then those that fit without.
func appendHalts(raw []byte, offset int64, halts []Halt, size int) []byte {
	size -= len(raw) + 1 // the section's type
	var body []byte
	for _, h := range halts {
		for _, texts := range []bool{true, false} {
			if longer := h.append(body, offset, texts); uvarintLen(uint64(len(longer)))+len(longer) <= size {
				body = longer
				break
			}
		}
	}
	if len(body) == 0 {
		return raw
	}
	raw = binary.AppendUvarint(append(raw, sectionHalts), uint64(len(body)))
	return append(raw, body...)
}

func (h Halt) append(to []byte, offset int64, texts bool) []byte {
	key, err := short(h.Key, keyMax), short(h.Error, textMax)
	if !texts {
		err = ""
		if h.Scope != Lane { // a lane is nothing without its key
			key = ""
		}
	}
	flags := uint64(h.Scope) << 2
	if h.Joined {
		flags |= 1
	}
	if h.KeyCut || len(key) < len(h.Key) {
		flags |= 2
	}
	for _, x := range []uint64{uint64(h.Offset - offset), uint64(h.Last - h.Offset), flags, uint64(h.Attempts), uint64(h.Since), uint64(h.ResumeAt), uint64(len(h.Builds))} {
		to = binary.AppendUvarint(to, x)
	}
	for _, b := range h.Builds {
		to = append(to, b[:]...)
	}
	for _, text := range []string{short(h.Step, stepMax), key, err} {
		to = binary.AppendUvarint(to, uint64(len(text)))
		to = append(to, text...)
	}
	return to
}

func short(text string, most int) string { return text[:min(len(text), most)] }

func decodeHalts(offset int64, body buffer) (halts []Halt, ok bool) {
	for len(body) > 0 {
		var h Halt
		if h, ok = decodeHalt(offset, &body); !ok {
			return nil, false
		}
		halts = append(halts, h)
	}
	return halts, true
}

func decodeHalt(offset int64, body *buffer) (h Halt, ok bool) {
	var xs [7]uint64
	for i := range xs {
		if xs[i], ok = body.uvarint(); !ok || xs[i] > math.MaxInt64 {
			return h, false
		}
	}
	left := uint64(math.MaxInt64 - offset)
	if xs[0] > left || xs[1] > left-xs[0] || xs[2]>>2 >= uint64(scopes) || xs[3] > math.MaxInt32 || xs[6] > uint64(len(*body)) {
		return h, false
	}
	h = Halt{Offset: offset + int64(xs[0]), Scope: Scope(xs[2] >> 2), Joined: xs[2]&1 != 0, KeyCut: xs[2]&2 != 0,
		Attempts: int(xs[3]), Since: int64(xs[4]), ResumeAt: int64(xs[5])}
	h.Last = h.Offset + int64(xs[1])
	for range xs[6] {
		b, ok := body.next(uint64(len(Build{})))
		if !ok {
			return h, false
		}
		h.Builds = append(h.Builds, Build(b))
	}
	for _, text := range []*string{&h.Step, &h.Key, &h.Error} {
		if *text, ok = body.text(); !ok {
			return h, false
		}
	}
	return h, true
}
