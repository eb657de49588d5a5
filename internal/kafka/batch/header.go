package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// header is the fixed part of a record batch, format v2.
type header struct {
	base       int64
	epoch      int32 // of the leader that took it
	attributes int16
	lastDelta  int32
	firstTime  int64
	maxTime    int64
	producer   int64
	count      int32
}

const (
	prefixSize = 12 // base offset and length: enough to find the end of the batch
	magicAt    = 16
	crcAt      = 17
	crcFrom    = 21 // attributes and everything after them
	headerSize = 61
	minRecord  = 7 // length, attributes, time, offset, key, value, headers: a byte each
)

func (h *header) codec() int          { return int(h.attributes & 7) }
func (h *header) appendTime() bool    { return h.attributes&0x08 != 0 }
func (h *header) transactional() bool { return h.attributes&0x10 != 0 }
func (h *header) control() bool       { return h.attributes&0x20 != 0 }
func (h *header) last() int64         { return h.base + int64(h.lastDelta) }
func (h *header) next() int64         { return h.last() + 1 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func parse(b []byte) header {
	be := binary.BigEndian
	return header{
		base:       int64(be.Uint64(b)),
		epoch:      int32(be.Uint32(b[12:])),
		attributes: int16(be.Uint16(b[21:])),
		lastDelta:  int32(be.Uint32(b[23:])),
		firstTime:  int64(be.Uint64(b[27:])),
		maxTime:    int64(be.Uint64(b[35:])),
		producer:   int64(be.Uint64(b[43:])),
		count:      int32(be.Uint32(b[57:])),
	}
}

// sane checks what the checksum cannot: that the numbers are consistent.
func (h *header) sane() error {
	switch {
	case h.base < 0 || h.lastDelta < 0 || h.base > math.MaxInt64-int64(h.lastDelta)-1:
		return malformed("offsets %d + %d", h.base, h.lastDelta)
	case h.count < 0 || int64(h.count) > int64(h.lastDelta)+1:
		return malformed("%d records in %d offsets", h.count, int64(h.lastDelta)+1)
	}
	return nil
}

func checksum(b []byte) bool {
	return crc32.Checksum(b[crcFrom:], castagnoli) == binary.BigEndian.Uint32(b[crcAt:])
}
