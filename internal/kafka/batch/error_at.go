package batch

import (
	"encoding/binary"

	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// bad is the error for the batch b, of which nothing was handed out.
func (s *Set) bad(b []byte, err error) error {
	base := int64(binary.BigEndian.Uint64(b))
	return s.at(base, s.after(b), err)
}

// at is the error for what lies between an offset and the next one that can be read. A batch may
// begin below what was asked for, and a damaged one may lie about where it ends; going on must go
// forward.
func (s *Set) at(offset, next int64, err error) error {
	offset = max(offset, s.next)
	return &kafkaerr.BatchError{Topic: s.f.Topic, Partition: s.f.Partition, Offset: offset, Next: max(next, offset+1), Err: err}
}

// after is where the batch behind b begins. The batch itself may be damaged, so the one behind it
// is believed first, then b if its numbers agree with each other, and else only one offset is given
// up.
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
