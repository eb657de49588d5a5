package resume

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
)

// Scope is what a halt stops.
type Scope uint8

const (
	Partition Scope = iota
	Lane            // the records with the same key
	Record
	scopes
)

// Halt is a record that halted its partition or lane, and the builds that attempted it. One with a
// By is an operator's: no record has failed, and Offset is where it was stored.
type Halt struct {
	Scope        Scope
	Offset, Last int64 // range of records that may have caused the failure
	Joined       bool  // the records form one element
	Attempts     int
	Since        int64 // Unix seconds
	ResumeAt     int64 // Unix seconds when the halt ends on its own; 0: never
	Builds       []Build
	By           string // the operator
	Step         string // see StepOf
	Lane         LaneID // if the scope is a lane
	Key, Error   string // left out first if the state is too long; an empty key may be one left out
}

// Build identifies a program that attempted a halted record, by a digest of its name.
type Build [8]byte

// BuildOf returns the digest of a build's name.
func BuildOf(name string) Build {
	sum := sha256.Sum256([]byte(name))
	return Build(sum[:len(Build{})])
}

// LaneID identifies a key's lane, in every process: the first bytes of the key's SHA-256. Of ten
// million keys one shares the id of one of 240 parked ones with a probability of 0.2 %. It then
// waits too.
type LaneID [5]byte

// LaneOf returns the id of a key's lane. No key has that of SHA-256 of nothing, and an empty key,
// which differs, the zero id.
func LaneOf(key []byte) LaneID {
	if key != nil && len(key) == 0 {
		return LaneID{}
	}
	sum := sha256.Sum256(key)
	return LaneID(sum[:len(LaneID{})])
}

// largest lengths of a stored text
const (
	textMax  = 200
	textLess = 60 // of errors that are many
	stepMax  = 60
	byMax    = 60
	keyMax   = 100
)

// LeastHalt is the least number of characters that a halt takes in a state.
const LeastHalt = 3 * 4 / 3

// haltTable is the section of halts: a count and rows of what halts have in common, then for each
// halt in ascending order of their offsets
//
//   - the distance from the offset before it, and its row;
//   - the zigzag distance in seconds from the time before it;
//   - the distances to its last offset, and to the time when it ends, if its row says so;
//   - the lane, if its scope is one.
//
// A row is its flags, the attempts, a count of builds and the builds, and the step, the error and,
// if the flags say so, the operator, each after its length.
type haltTable struct {
	rows    []string
	wide    int // bytes of the rows
	entries []byte
}

const (
	flagJoined = 1 << iota
	flagSpans  // several offsets
	flagEnds   // on its own
	flagBits   = 3
	scopeBits  = 2                           // above those
	flagBy     = 1 << (flagBits + scopeBits) // by an operator
)

// halts returns the section of halts, and how many of them are in it. All are, if they fit into
// size with shortened errors or without.
func (s State) halts(offset int64, size int) (body []byte, kept []Halt) {
	sorted := slices.SortedStableFunc(slices.Values(s.Halts), func(a, b Halt) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, most := range []int{textMax, textLess, 0} {
		var t haltTable
		kept = sorted
		at, since := offset, int64(0)
		for i, h := range sorted {
			before := t
			t.add(h, h.Offset-at, h.Since-since, most)
			if n := t.size(); uvarintLen(uint64(n))+n > size {
				t, kept = before, sorted[:i]
				break
			}
			at, since = h.Offset, h.Since
		}
		if body = t.body(); len(kept) == len(sorted) {
			break
		}
	}
	return body, kept
}

func (t *haltTable) size() int { return uvarintLen(uint64(len(t.rows))) + t.wide + len(t.entries) }

func (t *haltTable) body() []byte {
	body := binary.AppendUvarint(nil, uint64(len(t.rows)))
	for _, r := range t.rows {
		body = append(body, r...)
	}
	return append(body, t.entries...)
}

func (t *haltTable) add(h Halt, further, later int64, most int) {
	flags := uint64(h.Scope) << flagBits
	if h.Joined {
		flags |= flagJoined
	}
	if h.Last > h.Offset {
		flags |= flagSpans
	}
	if h.ResumeAt > 0 {
		flags |= flagEnds
	}
	texts := []string{StepOf(h.Step), short(h.Error, most)}
	if h.By != "" {
		flags |= flagBy
		texts = append(texts, short(h.By, byMax))
	}
	row := binary.AppendUvarint(nil, flags)
	row = binary.AppendUvarint(row, uint64(h.Attempts))
	row = binary.AppendUvarint(row, uint64(len(h.Builds)))
	for _, b := range h.Builds {
		row = append(row, b[:]...)
	}
	for _, text := range texts {
		row = binary.AppendUvarint(row, uint64(len(text)))
		row = append(row, text...)
	}
	i := slices.Index(t.rows, string(row))
	if i < 0 {
		i, t.rows, t.wide = len(t.rows), append(t.rows, string(row)), t.wide+len(row)
	}
	e := binary.AppendUvarint(t.entries, uint64(further))
	e = binary.AppendUvarint(e, uint64(i))
	e = binary.AppendVarint(e, later)
	if flags&flagSpans != 0 {
		e = binary.AppendUvarint(e, uint64(h.Last-h.Offset))
	}
	if flags&flagEnds != 0 {
		e = binary.AppendVarint(e, h.ResumeAt-h.Since)
	}
	if h.Scope == Lane {
		e = append(e, h.Lane[:]...)
	}
	t.entries = e
}

// StepOf returns what a state stores of a step's name: all of it or, if it is long, its start and a
// digest.
func StepOf(name string) string {
	const digits = 8
	if len(name) <= stepMax {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:stepMax-digits] + hex.EncodeToString(sum[:digits/2])
}

func short(text string, most int) string { return text[:min(len(text), most)] }

// keys returns the section of keys: that of each halt, one longer than its length, or 0 where it is
// left out. It is nil if they do not fit.
func keys(halts []Halt, size int) (body []byte) {
	any := false
	for _, h := range halts {
		if h.Key == "" || len(h.Key) > keyMax {
			body = append(body, 0)
			continue
		}
		any = true
		body = binary.AppendUvarint(body, uint64(len(h.Key)+1))
		body = append(body, h.Key...)
	}
	if !any || uvarintLen(uint64(len(body)))+len(body) > size {
		return nil
	}
	return body
}

func decodeHalts(offset int64, body buffer) (halts []Halt, ok bool) {
	n, ok := body.uvarint()
	if !ok || n > uint64(len(body)) {
		return nil, false
	}
	rows := make([]haltRow, n)
	for i := range rows {
		if rows[i], ok = decodeRow(&body); !ok {
			return nil, false
		}
	}
	at, since := offset, int64(0)
	for len(body) > 0 {
		h, ok := decodeHalt(&body, rows, at, since)
		if !ok {
			return nil, false
		}
		at, since = h.Offset, h.Since
		halts = append(halts, h)
	}
	return halts, true
}

type haltRow struct {
	flags uint64
	Halt
}

func decodeRow(body *buffer) (r haltRow, ok bool) {
	var xs [3]uint64
	for i := range xs {
		if xs[i], ok = body.uvarint(); !ok {
			return r, false
		}
	}
	r.flags = xs[0]
	scope := xs[0] &^ flagBy >> flagBits
	if scope >= uint64(scopes) || xs[1] > math.MaxInt32 || xs[2] > uint64(len(*body)) {
		return r, false
	}
	r.Scope, r.Joined, r.Attempts = Scope(scope), xs[0]&flagJoined != 0, int(xs[1])
	for range xs[2] {
		b, ok := body.next(uint64(len(Build{})))
		if !ok {
			return r, false
		}
		r.Builds = append(r.Builds, Build(b))
	}
	texts := []*string{&r.Step, &r.Error}
	if r.flags&flagBy != 0 {
		texts = append(texts, &r.By)
	}
	for _, text := range texts {
		if *text, ok = body.text(); !ok {
			return r, false
		}
	}
	return r, r.flags&flagBy == 0 || r.By != ""
}

func decodeHalt(body *buffer, rows []haltRow, at, since int64) (h Halt, ok bool) {
	further, ok := body.uvarint()
	i, is := body.uvarint()
	later, told := body.varint()
	if !ok || !is || !told || further > uint64(math.MaxInt64-at) || i >= uint64(len(rows)) {
		return h, false
	}
	h = rows[i].Halt
	h.Offset, h.Since = at+int64(further), since+later
	h.Last = h.Offset
	if rows[i].flags&flagSpans != 0 {
		span, ok := body.uvarint()
		if !ok || span > uint64(math.MaxInt64-h.Offset) {
			return h, false
		}
		h.Last += int64(span)
	}
	if rows[i].flags&flagEnds != 0 {
		wait, ok := body.varint()
		if h.ResumeAt = h.Since + wait; !ok || h.ResumeAt <= 0 {
			return h, false
		}
	}
	if h.Scope == Lane {
		id, ok := body.next(uint64(len(h.Lane)))
		if !ok {
			return h, false
		}
		h.Lane = LaneID(id)
	}
	return h, h.Since >= 0
}

// decodeKeys adds the keys to their halts.
func decodeKeys(halts []Halt, body buffer) bool {
	for i := range halts {
		n, ok := body.uvarint()
		if !ok {
			return false
		}
		if n == 0 {
			continue
		}
		key, ok := body.next(n - 1)
		if !ok || len(key) == 0 {
			return false
		}
		halts[i].Key = string(key)
	}
	return len(body) == 0
}
