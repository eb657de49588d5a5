package resume

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Decode decodes a state that was written for b. Its runs ascend, do not touch, and lie at or above
// b.Offset. It refuses every other state as a whole, with one of the errors below, and an empty one
// with ErrForeign. It allocates in proportion to the state's length.
func Decode(b Binding, state string) (State, error) {
	s, err := decode(b, state)
	if err != nil {
		return State{}, fmt.Errorf("resume state of %s[%d]@%d: %w", b.Topic, b.Partition, b.Offset, err)
	}
	return s, nil
}

func decode(b Binding, state string) (s State, err error) {
	rest, err := open(state)
	if err != nil {
		return s, err
	}
	if err := b.matches(&rest); err != nil {
		return s, err
	}
	var halts haltReader
	for last := byte(0); len(rest) > 0; {
		section, body, ok := rest.section()
		switch {
		case !ok:
			return s, fmt.Errorf("%w: section %d is incomplete", ErrUnreadable, section)
		case section > sectionKeys || section == 0:
			return s, fmt.Errorf("%w (type %d)", ErrSection, section)
		case section <= last:
			return s, fmt.Errorf("%w: section %d after %d", ErrUnreadable, section, last)
		}
		switch last = section; section {
		case sectionFinished:
			if s.Finished, ok = decodeRuns(b.Offset, body); !ok {
				return s, fmt.Errorf("%w: its runs do not ascend, or are incomplete", ErrUnreadable)
			}
		case sectionAsides:
			if s.Asides, ok = decodeAsides(b.Offset, body); !ok {
				return s, fmt.Errorf("%w: its lanes that were set aside are incomplete", ErrUnreadable)
			}
		case sectionHalts:
			if halts, ok = decodeHalts(b.Offset, body); !ok {
				return s, fmt.Errorf("%w: its halts are incomplete", ErrUnreadable)
			}
			s.Halts = halts.halts
		case sectionKeys:
			if !decodeKeys(s.Halts, body) {
				return s, fmt.Errorf("%w: its keys are incomplete", ErrUnreadable)
			}
		case sectionAttempts:
			if s.Attempts, ok = decodeAttempts(b.Offset, body); !ok {
				return s, fmt.Errorf("%w: its attempts are incomplete", ErrUnreadable)
			}
		}
	}
	s.Finished = punched(s.Finished, halts.holes)
	all, ok := joinAsides(s.Asides, halts.asides)
	if s.Asides = all; !ok {
		return s, fmt.Errorf("%w: a lane was set aside twice", ErrUnreadable)
	}
	return s, nil
}

// open checks that a state is intact, and returns the bytes between prefix and checksum. The header
// is trusted only after that, since damage must not look like another topic.
func open(state string) (buffer, error) {
	rest, ours := strings.CutPrefix(state, magic)
	number, text, ends := strings.Cut(rest, ":")
	if _, err := strconv.ParseUint(number, 10, 16); !ours || !ends || err != nil {
		return nil, fmt.Errorf("%w (%.40q)", ErrForeign, state)
	}
	if number != version {
		return nil, fmt.Errorf("%w (%s, this one writes %s)", ErrVersion, number, version)
	}
	raw, err := encoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (%d characters: %w)", ErrDamaged, len(state), err)
	case encoding.EncodedLen(len(raw)) != len(text): // the decoder ignores line breaks
		return nil, fmt.Errorf("%w (%d characters, with line breaks)", ErrDamaged, len(state))
	case len(raw) < checksumSize:
		return nil, fmt.Errorf("%w (%d characters)", ErrDamaged, len(state))
	}
	raw, sum := raw[:len(raw)-checksumSize], raw[len(raw)-checksumSize:]
	if checksum(raw) != binary.BigEndian.Uint32(sum) {
		return nil, fmt.Errorf("%w (%d characters: wrong checksum)", ErrDamaged, len(state))
	}
	return raw, nil
}

// matches checks the header. The topic id is last: another id makes the offset void only if
// everything else matches. Every topic has another id in another cluster, and a tool that moves an
// offset may leave the state behind.
func (b Binding) matches(rest *buffer) error {
	digest, whole := rest.next(digestSize)
	id, ok := rest.next(uint64(len(b.TopicID)))
	whole = whole && ok
	partition, ok := rest.uvarint()
	whole = whole && ok
	offset, ok := rest.uvarint()
	if !whole || !ok {
		return fmt.Errorf("%w: its header is incomplete", ErrUnreadable)
	}
	topicID := [16]byte(id)
	switch {
	case [digestSize]byte(digest) != b.digest():
		return fmt.Errorf("%w than %s, %s", ErrScope, b.Scope, b.Topic)
	case int64(partition) != int64(b.Partition):
		return fmt.Errorf("%w, %d", ErrPartition, int64(partition))
	case int64(offset) != b.Offset:
		return fmt.Errorf("%w, %d", ErrOffset, int64(offset))
	case topicID != b.TopicID && (topicID == [16]byte{} || b.TopicID == [16]byte{}):
		return fmt.Errorf("%w: %x when it was written, %x now", ErrNoTopicID, topicID, b.TopicID)
	case topicID != b.TopicID:
		return fmt.Errorf("%w: its id was %x, and is %x", ErrTopicID, topicID, b.TopicID)
	}
	return nil
}

// runReader adds up distances. No run of a valid state overflows.
type runReader struct {
	runs []Run
	at   int64
}

func (r *runReader) add(gap, length uint64) bool {
	left := uint64(math.MaxInt64) - uint64(r.at)
	if gap == 0 && len(r.runs) > 0 || length == 0 || gap > left || length > left-gap {
		return false
	}
	from := r.at + int64(gap)
	r.at = from + int64(length)
	r.runs = append(r.runs, Run{from, r.at})
	return true
}

func decodeRuns(offset int64, body buffer) ([]Run, bool) {
	r := runReader{at: offset}
	for len(body) > 0 {
		head, ok := body.uvarint()
		n, s := head>>2, shape(head&3)
		switch {
		case !ok:
			return nil, false
		case s == shapeBitmap:
			bitmap, whole := body.next(n)
			ok = whole && r.bitmap(bitmap)
		default:
			ok = r.distances(s, n, &body)
		}
		if !ok {
			return nil, false
		}
	}
	return r.runs, true
}

// distances reads the n runs of a segment that is not a bitmap.
func (r *runReader) distances(s shape, n uint64, body *buffer) bool {
	if n == 0 || n > uint64(len(*body)) { // each takes at least one byte
		return false
	}
	r.runs = slices.Grow(r.runs, int(n))
	for range n {
		gap, length, ok := uint64(1), uint64(1), true
		if s != shapeHoles {
			gap, ok = body.uvarint()
		}
		if ok && s != shapeSingles {
			length, ok = body.uvarint()
		}
		if !ok || !r.add(gap, length) {
			return false
		}
	}
	return true
}

func (r *runReader) bitmap(bitmap []byte) bool {
	if len(bitmap) == 0 || bitmap[len(bitmap)-1] == 0 {
		return false
	}
	r.runs = slices.Grow(r.runs, runsPerByte*len(bitmap))
	var gap, length uint64
	for i := range 8 * len(bitmap) {
		finished := bitmap[i/8]>>(i%8)&1 == 1
		switch {
		case finished:
			length++
		case length == 0:
			gap++
		default:
			if !r.add(gap, length) {
				return false
			}
			gap, length = 1, 0
		}
	}
	return length == 0 || r.add(gap, length)
}

// buffer is the unread part of a state.
type buffer []byte

func (b *buffer) next(n uint64) ([]byte, bool) {
	if n > uint64(len(*b)) {
		return nil, false
	}
	head := (*b)[:n]
	*b = (*b)[n:]
	return head, true
}

func (b *buffer) uvarint() (uint64, bool) {
	x, n := binary.Uvarint(*b)
	if n <= 0 {
		return 0, false
	}
	*b = (*b)[n:]
	return x, true
}

func (b *buffer) varint() (int64, bool) {
	x, n := binary.Varint(*b)
	if n <= 0 {
		return 0, false
	}
	*b = (*b)[n:]
	return x, true
}

func (b *buffer) text() (string, bool) {
	n, ok := b.uvarint()
	if !ok {
		return "", false
	}
	text, ok := b.next(n)
	return string(text), ok
}

func (b *buffer) section() (kind byte, body buffer, ok bool) {
	kind = (*b)[0]
	*b = (*b)[1:]
	size, ok := b.uvarint()
	if !ok {
		return kind, nil, false
	}
	body, ok = b.next(size)
	return kind, body, ok
}
