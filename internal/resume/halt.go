package resume

import (
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
const LeastHalt = 2 * 4 / 3

// haltTable is the section of halts: a count and rows of what halts have in common, then for each
// halt in ascending order of their offsets
//
//   - twice the distance from the offset before it, one more if its row is another one than before;
//   - that row: the first halt without one has the first row;
//   - the zigzag distance in seconds from the time before it;
//   - the distances to its last offset, and to the time when it ends, if its row says so;
//   - if its scope is a lane: the lane, and 0, or if that was set aside one more than the distance
//     to the offset from which on it is.
//
// A row is its flags, the attempts, a count of builds and the builds, and the step, the error and,
// if the flags say so, the operator, each after its length.
type haltTable struct {
	rows    []string
	wide    int // bytes of the rows
	entries []byte

	last placed // of the entries
	row  int    // of that one
	most int    // bytes of an error
}

const (
	flagJoined   = 1 << iota
	flagSpans    // several offsets
	flagEnds     // on its own
	flagFinished // its record, although it is one of a failure
	flagBits     = 4
	scopeBits    = 2                           // above those
	flagBy       = 1 << (flagBits + scopeBits) // by an operator
)

// placed is a halt, the offset from which on its lane was set aside, if its entry says so, and
// whether its record is among the finished ones.
type placed struct {
	*Halt
	from     int64 // -1: it was not, or the entry does not say so
	finished bool
}

// hole reports whether a halt stands for one unfinished record: runs span that one. See punched.
func (h placed) hole() bool { return h.By == "" && h.Last == h.Offset && !h.finished }

func newHaltTable(offset int64, most int) *haltTable {
	return &haltTable{last: placed{Halt: &Halt{Offset: offset}}, most: most}
}

// size returns the length of the section's body.
func (t *haltTable) size() int { return uvarintLen(uint64(len(t.rows))) + t.wide + len(t.entries) }

func (t *haltTable) body() []byte {
	body := binary.AppendUvarint(make([]byte, 0, t.size()), uint64(len(t.rows)))
	for _, r := range t.rows {
		body = append(body, r...)
	}
	return append(body, t.entries...)
}

func (h placed) flags() (flags uint64) {
	flags = uint64(h.Scope) << flagBits
	if h.Joined {
		flags |= flagJoined
	}
	if h.Last > h.Offset {
		flags |= flagSpans
	}
	if h.ResumeAt > 0 {
		flags |= flagEnds
	}
	if h.finished {
		flags |= flagFinished
	}
	if h.By != "" {
		flags |= flagBy
	}
	return flags
}

// alike reports whether two halts have the same row.
func (t *haltTable) alike(a, b placed) bool {
	return a.flags() == b.flags() && a.Attempts == b.Attempts && a.Step == b.Step && slices.Equal(a.Builds, b.Builds) &&
		short(a.Error, t.most) == short(b.Error, t.most) && a.By == b.By
}

// rowOf returns the index of a halt's row, which it adds if there is none yet.
func (t *haltTable) rowOf(h placed) int {
	if len(t.rows) > 0 && t.alike(h, t.last) {
		return t.row
	}
	row := binary.AppendUvarint(nil, h.flags())
	row = binary.AppendUvarint(row, uint64(h.Attempts))
	row = binary.AppendUvarint(row, uint64(len(h.Builds)))
	for _, b := range h.Builds {
		row = append(row, b[:]...)
	}
	texts := []string{StepOf(h.Step), short(h.Error, t.most)}
	if h.By != "" {
		texts = append(texts, short(h.By, byMax))
	}
	for _, text := range texts {
		row = binary.AppendUvarint(row, uint64(len(text)))
		row = append(row, text...)
	}
	if i := slices.Index(t.rows, string(row)); i >= 0 {
		return i
	}
	t.rows, t.wide = append(t.rows, string(row)), t.wide+len(row)
	return len(t.rows) - 1
}

// add adds the next halt.
func (t *haltTable) add(h placed) {
	head, row := uint64(h.Offset-t.last.Offset)<<1, t.rowOf(h)
	if row != t.row {
		head++
	}
	e := binary.AppendUvarint(t.entries, head)
	if row != t.row {
		e = binary.AppendUvarint(e, uint64(row))
	}
	e = binary.AppendVarint(e, h.Since-t.last.Since)
	if h.Last > h.Offset {
		e = binary.AppendUvarint(e, uint64(h.Last-h.Offset))
	}
	if h.ResumeAt > 0 {
		e = binary.AppendVarint(e, h.ResumeAt-h.Since)
	}
	if h.Scope == Lane {
		e = append(e, h.Lane[:]...)
		if h.from < 0 {
			e = append(e, 0)
		} else {
			e = binary.AppendUvarint(e, uint64(h.from-h.Offset)+1)
		}
	}
	t.entries, t.last, t.row = e, h, row
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
func keys(halts []placed, size int) (body []byte) {
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

// haltReader reads the section of halts.
type haltReader struct {
	rows   []haltRow
	halts  []Halt
	asides []Aside // what its entries say of lanes that were set aside
	holes  []int64 // offsets of unfinished records that runs may span; ascending
	at     int64
	since  int64
	row    uint64
}

func decodeHalts(offset int64, body buffer) (r haltReader, ok bool) {
	const least = 5 // bytes of a row
	n, ok := body.uvarint()
	if !ok || n > uint64(len(body))/least {
		return r, false
	}
	r.at, r.rows = offset, make([]haltRow, n)
	for i := range r.rows {
		if r.rows[i], ok = decodeRow(&body); !ok {
			return r, false
		}
	}
	for len(body) > 0 {
		if !r.next(&body) {
			return r, false
		}
	}
	return r, true
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
	if r.flags&flagFinished != 0 && r.flags&(flagBy|flagSpans) != 0 {
		return r, false
	}
	return r, r.flags&flagBy == 0 || r.By != ""
}

// next reads a halt.
func (r *haltReader) next(body *buffer) bool {
	head, ok := body.uvarint()
	if ok && head&1 == 1 {
		r.row, ok = body.uvarint()
	}
	later, told := body.varint()
	if !ok || !told || head>>1 > uint64(math.MaxInt64-r.at) || r.row >= uint64(len(r.rows)) {
		return false
	}
	row := r.rows[r.row]
	h := row.Halt
	h.Offset, h.Since = r.at+int64(head>>1), r.since+later
	h.Last = h.Offset
	if row.flags&flagSpans != 0 {
		span, ok := body.uvarint()
		if !ok || span == 0 || span > uint64(math.MaxInt64-h.Offset) {
			return false
		}
		h.Last += int64(span)
	}
	if row.flags&flagEnds != 0 {
		wait, ok := body.varint()
		if h.ResumeAt = h.Since + wait; !ok || h.ResumeAt <= 0 {
			return false
		}
	}
	if h.Scope == Lane && !r.lane(body, &h) {
		return false
	}
	if p := (placed{Halt: &h, finished: row.flags&flagFinished != 0}); p.hole() {
		r.holes = append(r.holes, h.Offset)
	}
	r.at, r.since, r.halts = h.Offset, h.Since, append(r.halts, h)
	return h.Since >= 0
}

// lane reads which lane a halt has, and from where on that was set aside.
func (r *haltReader) lane(body *buffer, h *Halt) bool {
	id, whole := body.next(uint64(len(h.Lane)))
	further, ok := body.uvarint()
	if !whole || !ok {
		return false
	}
	h.Lane = LaneID(id)
	if further == 0 {
		return true
	}
	if further-1 > uint64(math.MaxInt64-h.Offset) {
		return false
	}
	r.asides = append(r.asides, Aside{h.Lane, h.Offset + int64(further-1)})
	return true
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
