package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/segmentio/kafka-go"
)

// Record is a record to be encoded.
type Record struct {
	Key, Value []byte // nil: null
	Headers    []kafka.Header
	Time       int64 // milliseconds
}

// recordOverhead is the maximum size of a record's lengths, attributes, time and offset, without
// headers.
const recordOverhead = 5 + 1 + 10 + 5 + 5 + 5 + 5

// Overhead is the size of a batch without records.
const Overhead = headerSize

// MaxSize returns the maximum size of r in a batch before compression.
func (r *Record) MaxSize() int {
	n := recordOverhead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += 10 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// Producer identifies the producer of a batch.
type Producer struct {
	ID            int64
	Epoch         int16
	Sequence      int32 // of the batch's first record
	Transactional bool
}

// Encoder encodes batches. It reuses compressors, and is safe for concurrent use.
type Encoder struct {
	codec kafka.Compression
	compressors
}

// NewEncoder returns an Encoder that compresses with codec, or not at all if codec is 0.
func NewEncoder(codec kafka.Compression) *Encoder {
	return &Encoder{codec: codec, compressors: newCompressors()}
}

// Encode appends a batch of at least one record to dst. Stamp must complete it.
func (e *Encoder) Encode(dst []byte, records []Record) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	first, last := records[0].Time, records[0].Time
	body := dst
	var scratch *[]byte
	if e.codec != 0 {
		scratch = e.borrow()
		defer e.giveBack(scratch)
		body = (*scratch)[:0]
	}
	for i := range records {
		r := &records[i]
		last = max(last, r.Time)
		body = r.append(body, r.Time-first, i)
	}
	if e.codec == 0 {
		dst = body
	} else {
		*scratch = body
		var err error
		if dst, err = e.compress(dst, e.codec, body); err != nil {
			return nil, err
		}
	}
	b := dst[at:]
	be := binary.BigEndian
	be.PutUint32(b[8:], uint32(len(b)-prefixSize))
	be.PutUint32(b[12:], ^uint32(0)) // the broker fills in the leader epoch
	b[magicAt] = 2
	be.PutUint16(b[21:], uint16(e.codec))
	be.PutUint32(b[23:], uint32(len(records)-1))
	be.PutUint64(b[27:], uint64(first))
	be.PutUint64(b[35:], uint64(last))
	be.PutUint32(b[57:], uint32(len(records)))
	return dst, nil
}

// Stamp sets the producer and the checksum of the encoded batch b. A batch may be stamped again for
// another producer.
func Stamp(b []byte, p Producer) {
	be := binary.BigEndian
	const transactional = 0x10
	attributes := be.Uint16(b[21:]) &^ transactional
	if p.Transactional {
		attributes |= transactional
	}
	be.PutUint16(b[21:], attributes)
	be.PutUint64(b[43:], uint64(p.ID))
	be.PutUint16(b[51:], uint16(p.Epoch))
	be.PutUint32(b[53:], uint32(p.Sequence))
	be.PutUint32(b[crcAt:], crc32.Checksum(b[crcFrom:], castagnoli))
}

func (r *Record) append(b []byte, timeDelta int64, offsetDelta int) []byte {
	size := 1 + varintSize(timeDelta) + varintSize(int64(offsetDelta)) + bytesSize(r.Key) + bytesSize(r.Value) + varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	b = binary.AppendVarint(b, int64(size))
	b = append(b, 0)
	b = binary.AppendVarint(b, timeDelta)
	b = binary.AppendVarint(b, int64(offsetDelta))
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	b = binary.AppendVarint(b, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		b = binary.AppendVarint(b, int64(len(h.Key)))
		b = append(b, h.Key...)
		b = appendBytes(b, h.Value)
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return append(b, 1) // -1
	}
	b = binary.AppendVarint(b, int64(len(v)))
	return append(b, v...)
}

func bytesSize(v []byte) int {
	if v == nil {
		return 1
	}
	return varintSize(int64(len(v))) + len(v)
}

func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
