package batch

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// FuzzDecode asserts that no input panics, returns offsets out of order, or moves backwards. Half
// of the cases get valid checksums, as a hostile producer would send them.
func FuzzDecode(f *testing.F) {
	for codec, squeeze := range squeezers {
		b := batchOf{base: 5, attrs: codec, squeeze: squeeze, records: records(6)}.encode()
		f.Add(b, int64(5), true, uint8(3))
		f.Add(append(b, batchOf{base: 40, records: records(2)}.encode()...), int64(7), false, uint8(1))
	}
	f.Add(batchOf{base: 5, attrs: 4, squeeze: streamed(128 << 20), records: records(6)}.encode(), int64(5), true, uint8(3))
	f.Add(marker(9, 1, false), int64(0), true, uint8(9))
	d := NewDecoder(1 << 20)
	f.Fuzz(func(t *testing.T, b []byte, from int64, sealed bool, n uint8) {
		if from < 0 || n == 0 {
			return
		}
		if sealed {
			sealAll(b)
		}
		s := d.Open(Fetched{From: from, Records: b, Committed: true, Aborted: []Aborted{{ProducerID: 1, FirstOffset: 3}}})
		next := from
		for s.More() {
			msgs, _, err := s.Take(int(n))
			for _, m := range msgs {
				if m.Offset < next {
					t.Fatalf("offset %d after %d", m.Offset, next)
				}
				next = m.Offset + 1
			}
			if s.Next() < next {
				t.Fatalf("next %d after offset %d", s.Next(), next-1)
			}
			next = s.Next()
			var e *kafkaerr.BatchError
			if err != nil && (!errors.As(err, &e) || e.Offset < next || e.Next <= e.Offset) {
				t.Fatalf("error %v after %d", err, next)
			}
			s.Keep()
		}
	})
}

func sealAll(b []byte) {
	for len(b) >= headerSize {
		n := int64(int32(binary.BigEndian.Uint32(b[8:]))) + prefixSize
		if n < headerSize || n > int64(len(b)) {
			return
		}
		seal(b[:n])
		b = b[n:]
	}
}
