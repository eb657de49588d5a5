package batch

import (
	"encoding/binary"

	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// bad returns the error for batch b, none of whose records was returned.
func (s *Set) bad(b []byte, err error) error {
	base := int64(binary.BigEndian.Uint64(b))
	return s.at(base, s.after(b), err)
}

// at returns the error for the offsets from offset up to next. A batch may begin below the offset
// asked for, and a damaged one may lie about its end, but the position must move forward.
func (s *Set) at(offset, next int64, err error) error {
	offset = max(offset, s.next)
	return &kafkaerr.BatchError{Topic: s.f.Topic, Partition: s.f.Partition, Offset: offset, Next: max(next, offset+1), Err: err}
}

// after returns the offset after batch b, which may be damaged. The base offset of the batch behind
// it comes first, then b itself if its numbers are consistent. Otherwise only one offset is
// skipped.
func (s *Set) after(b []byte) int64 {
	h := parse(b)
	if len(s.rest) >= headerSize && s.rest[magicAt] == 2 && checksumWhole(s.rest) {
		if next := int64(binary.BigEndian.Uint64(s.rest)); next > h.base {
			return next
		}
	}
	if h.sane() == nil && (checksum(b) || h.count == h.lastDelta+1) {
		return h.next()
	}
	return h.base + 1
}

func checksumWhole(b []byte) bool {
	n := int64(int32(binary.BigEndian.Uint32(b[8:]))) + prefixSize
	return n >= headerSize && n <= int64(len(b)) && checksum(b[:n])
}
