package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// batchOf is a batch to encode.
type batchOf struct {
	base     int64
	last     int32 // 0: the last record's
	attrs    int16
	producer int64
	records  []kmsg.Record
	squeeze  func([]byte) []byte
}

func records(n int) []kmsg.Record {
	recs := make([]kmsg.Record, n)
	for i := range recs {
		recs[i] = kmsg.Record{OffsetDelta: int32(i), TimestampDelta64: int64(i), Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "value %d", i)}
	}
	return recs
}

func (b batchOf) encode() []byte {
	var body []byte
	for _, r := range b.records {
		r.Length = 0
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		body = r.AppendTo(body)
	}
	if b.squeeze != nil {
		body = b.squeeze(body)
	}
	last := b.last
	if last == 0 && len(b.records) > 0 {
		last = b.records[len(b.records)-1].OffsetDelta
	}
	rb := kmsg.RecordBatch{FirstOffset: b.base, Length: int32(headerSize - prefixSize + len(body)), Magic: 2, Attributes: b.attrs, LastOffsetDelta: last,
		FirstTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_009_000, ProducerID: b.producer, NumRecords: int32(len(b.records)), Records: body}
	return seal(rb.AppendTo(nil))
}

// seal sets the checksum.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[crcFrom:], castagnoli))
	return b
}

var squeezers = map[int16]func([]byte) []byte{
	0: nil,
	1: func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	},
	2: func(b []byte) []byte { return snappy.Encode(nil, b) },
	3: func(b []byte) []byte {
		var out bytes.Buffer
		w := lz4.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	},
	4: func(b []byte) []byte {
		w, _ := zstd.NewWriter(nil)
		defer w.Close()
		return w.EncodeAll(b, nil)
	},
}

// framed frames a snappy block like the Java client.
func framed(b []byte) []byte {
	out := append([]byte(nil), xerial...)
	out = append(out, 0, 0, 0, 1, 0, 0, 0, 1)
	for len(b) > 0 {
		n := min(len(b), 100)
		block := snappy.Encode(nil, b[:n])
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
		b = b[n:]
	}
	return out
}
