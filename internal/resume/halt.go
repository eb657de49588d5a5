package resume

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Halt is a record that halted its partition, and the builds that attempted it.
type Halt struct {
	Offset, Last int64 // range of records that may have caused the failure
	Joined       bool  // the records form one element
	Attempts     int
	Since        int64 // Unix seconds
	ResumeAt     int64 // Unix seconds when the halt ends on its own; 0: never
	Builds       []Build
	Step         string
	Key, Error   string // left out first if the state is too long
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
	textMax  = 200
	shortMax = 60
)

// appendHalts appends the section of halts if raw then fits into size: with texts, or else without
// them.
func appendHalts(raw []byte, offset int64, halts []Halt, size int) []byte {
	if len(halts) == 0 {
		return raw
	}
	for _, texts := range []bool{true, false} {
		var body []byte
		for _, h := range halts {
			body = h.append(body, offset, texts)
		}
		section := append([]byte{sectionHalts}, binary.AppendUvarint(nil, uint64(len(body)))...)
		if len(raw)+len(section)+len(body) <= size {
			return append(append(raw, section...), body...)
		}
	}
	return raw
}

func (h Halt) append(to []byte, offset int64, texts bool) []byte {
	joined := uint64(0)
	if h.Joined {
		joined = 1
	}
	for _, x := range []uint64{uint64(h.Offset - offset), uint64(h.Last-h.Offset)<<1 | joined, uint64(h.Attempts), uint64(h.Since), uint64(h.ResumeAt), uint64(len(h.Builds))} {
		to = binary.AppendUvarint(to, x)
	}
	for _, b := range h.Builds {
		to = append(to, b[:]...)
	}
	key, err := h.Key, h.Error
	if !texts {
		key, err = "", ""
	}
	for _, text := range []string{short(h.Step, shortMax), short(key, shortMax), short(err, textMax)} {
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
	var xs [6]uint64
	for i := range xs {
		if xs[i], ok = body.uvarint(); !ok || xs[i] > math.MaxInt64 {
			return h, false
		}
	}
	left := uint64(math.MaxInt64 - offset)
	if xs[0] > left || xs[1]>>1 > left-xs[0] || xs[2] > math.MaxInt32 || xs[5] > uint64(len(*body)) {
		return h, false
	}
	h = Halt{Offset: offset + int64(xs[0]), Joined: xs[1]&1 == 1, Attempts: int(xs[2]), Since: int64(xs[3]), ResumeAt: int64(xs[4])}
	h.Last = h.Offset + int64(xs[1]>>1)
	for range xs[5] {
		b, ok := body.next(uint64(len(Build{})))
		if !ok {
			return h, false
		}
		h.Builds = append(h.Builds, Build(b))
	}
	for _, text := range []*string{&h.Step, &h.Key, &h.Error} {
		n, ok := body.uvarint()
		if !ok {
			return h, false
		}
		b, ok := body.next(n)
		if !ok {
			return h, false
		}
		*text = string(b)
	}
	return h, true
}
