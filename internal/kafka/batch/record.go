package batch

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/segmentio/kafka-go"
)

// taking gathers the result of one Take.
type taking struct {
	set     *Set
	want    int
	msgs    []kafka.Message
	size    int64
	arena   []byte         // room for small batches, which saves an allocation for each
	headers []kafka.Header // the same for headers
}

const (
	arenaSize   = 8 << 10
	headersSize = 64
)

// some moves records of the open batch into msgs. A record starts with its length, so the span to
// copy is found without decoding.
func (t *taking) some() error {
	s := t.set
	span, n, err := s.span(t.want - len(t.msgs))
	if err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	s.epoch = max(s.epoch, s.h.epoch)
	if t.msgs == nil {
		guess := int(s.left) + n + len(s.rest)/(2*headerSize)
		t.msgs = s.f.alloc(min(t.want, guess))
	}
	b := t.copy(span)
	for range n {
		size, w := varint(b)
		rec := b[w : w+int(size) : w+int(size)] // span has checked the bounds
		b = b[w+int(size):]
		if err := t.record(rec); err != nil {
			return err
		}
	}
	return nil
}

// span cuts up to n records off the open batch, without those below the wanted offset.
func (s *Set) span(n int) (span []byte, count int, err error) {
	b := s.recs
	for count < n && s.left > 0 {
		size, w := varint(b)
		if w <= 0 || size < minRecord-1 || size > int64(len(b)-w) {
			if count > 0 {
				break // reported after the records before it
			}
			return nil, 0, s.broken("a record of %d bytes, %d are left", size, len(b))
		}
		end := w + int(size)
		if count == 0 && s.h.base+s.delta+1 < s.next { // may be below
			delta, ok := offsetDelta(b[w:end])
			if ok && s.h.base+delta < s.next {
				if delta <= s.delta || delta > int64(s.h.lastDelta) {
					return nil, 0, s.broken("offset %d + %d", s.h.base, delta)
				}
				s.delta = delta
				s.recs, b = b[end:], b[end:]
				s.left--
				continue
			}
		}
		b = b[end:]
		count++
		s.left--
	}
	span = s.recs[:len(s.recs)-len(b)]
	s.recs = b
	return span, count, nil
}

func (s *Set) broken(format string, args ...any) error {
	return s.at(s.next, s.h.next(), malformed(format, args...))
}

// copy gives span memory of its own.
func (t *taking) copy(span []byte) []byte {
	if len(span) >= arenaSize {
		t.size += int64(len(span))
		return append([]byte(nil), span...)
	}
	if cap(t.arena)-len(t.arena) < len(span) {
		n := min(arenaSize, len(span)+len(t.set.rest))
		t.arena = make([]byte, 0, n)
		t.size += int64(n)
	}
	at := len(t.arena)
	t.arena = append(t.arena, span...)
	return t.arena[at:]
}

// record decodes one record and appends it.
func (t *taking) record(b []byte) error {
	s := t.set
	r := fields{b: b[1:]} // record attributes are unused
	timeDelta := r.varint()
	delta := r.varint()
	if !r.bad && (delta <= s.delta || delta > int64(s.h.lastDelta)) {
		return s.broken("offset %d + %d after %d", s.h.base, delta, s.delta)
	}
	if len(t.msgs) < cap(t.msgs) {
		t.msgs = t.msgs[:len(t.msgs)+1] // zero, since nothing was there before
	} else {
		t.msgs = append(t.msgs, kafka.Message{})
	}
	m := &t.msgs[len(t.msgs)-1]
	m.Topic, m.Partition, m.HighWaterMark = s.f.Topic, s.f.Partition, s.f.HighWater
	m.Offset = s.h.base + delta
	m.Key, m.Value = r.bytes(), r.bytes()
	if n := r.varint(); n != 0 && !r.bad {
		m.Headers = t.readHeaders(&r, n)
	}
	if r.bad || len(r.b) != 0 {
		t.msgs = t.msgs[:len(t.msgs)-1]
		return s.broken("the fields of the record at offset %d do not fit its length", s.next)
	}
	at := s.h.maxTime
	if !s.h.appendTime() {
		at = s.h.firstTime + timeDelta
	}
	m.Time = timeOf(at)
	s.delta = delta
	s.next = m.Offset + 1
	return nil
}

func (t *taking) readHeaders(r *fields, n int64) []kafka.Header {
	if n < 0 || n > int64(len(r.b)/2) { // each has at least two lengths
		r.bad = true
		return nil
	}
	if int64(cap(t.headers)-len(t.headers)) < n {
		t.headers = make([]kafka.Header, 0, max(int(n), headersSize))
	}
	at := len(t.headers)
	for range n {
		key := r.bytes()
		// The bytes belong to the handler, but no slice that it gets reaches a header's key.
		t.headers = append(t.headers, kafka.Header{Key: unsafe.String(unsafe.SliceData(key), len(key)), Value: r.bytes()})
	}
	return t.headers[at:len(t.headers):len(t.headers)]
}

// timeOf returns a record's time in UTC, for any number of milliseconds: times at or before 1970
// are valid. Producers take Go's zero time for "none given", so a record with exactly that time is
// read as a nanosecond later. In milliseconds both are the same.
func timeOf(ms int64) time.Time {
	t := time.UnixMilli(ms).UTC()
	if t.IsZero() {
		t = t.Add(1)
	}
	return t
}

// fields reads the fields of a record.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) varint() int64 {
	v, n := varint(f.b)
	if n <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}

// bytes returns a key or a value, nil for null. Its capacity is limited, so that an append cannot
// reach the next field.
func (f *fields) bytes() []byte {
	n := f.varint()
	if n < 0 || n > int64(len(f.b)) {
		f.bad = f.bad || n != -1
		return nil
	}
	b := f.b[:n:n]
	f.b = f.b[n:]
	return b
}

// varint is binary.Varint with an inline case for one and two bytes, which covers nearly all.
func varint(b []byte) (int64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return longVarint(b)
}

func longVarint(b []byte) (int64, int) {
	if len(b) > 1 && b[1] < 0x80 {
		u := int64(b[0]&0x7f) | int64(b[1])<<7
		return u>>1 ^ -(u & 1), 2
	}
	return binary.Varint(b)
}

func offsetDelta(rec []byte) (int64, bool) {
	f := fields{b: rec[1:]}
	f.varint()
	d := f.varint()
	return d, !f.bad
}

// abortMarker reports whether a control record is an abort marker. Its key is a version and a type,
// where 0 is abort.
func abortMarker(recs []byte) bool {
	size, w := varint(recs)
	if w <= 0 || size < minRecord-1 || size > int64(len(recs)-w) {
		return false
	}
	f := fields{b: recs[w+1 : w+int(size)]}
	f.varint()
	f.varint()
	key := f.bytes()
	return len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == 0
}
