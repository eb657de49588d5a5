package batch

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func written() []Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli()
	recs := []Record{
		{Key: []byte("k"), Value: []byte("v"), Time: at},
		{Key: []byte{}, Value: nil, Time: at + 70}, // an empty key is not null; a tombstone
		{Key: nil, Value: []byte{}, Time: at - 100_000, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "", Value: nil}}},
	}
	for i := range 500 {
		recs = append(recs, Record{Key: fmt.Appendf(nil, "key %d", i), Value: bytes.Repeat([]byte{byte(i)}, i), Time: at + int64(i)})
	}
	return recs
}

func TestEncode(t *testing.T) {
	t.Run("writes what Take reads", func(t *testing.T) {
		for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
			t.Run(codec.String(), func(t *testing.T) {
				recs, e := written(), NewEncoder(codec)
				for range 2 { // the second time with reused memory
					b, err := e.Encode([]byte("before"), recs)
					if err != nil {
						t.Fatal(err)
					}
					b = b[len("before"):]
					Stamp(b, Producer{ID: 7, Epoch: 3, Sequence: 11})
					var rb kmsg.RecordBatch
					if err := rb.ReadFrom(b); err != nil {
						t.Fatal(err)
					}
					if rb.ProducerID != 7 || rb.ProducerEpoch != 3 || rb.FirstSequence != 11 || rb.Attributes != int16(codec) || int(rb.NumRecords) != len(recs) {
						t.Errorf("header %+v", rb)
					}
					if rb.MaxTimestamp != recs[len(recs)-1].Time || rb.FirstTimestamp != recs[0].Time {
						t.Errorf("times from %d to %d", rb.FirstTimestamp, rb.MaxTimestamp)
					}
					same(t, recs, b)
				}
			})
		}
	})
	t.Run("stamps a batch again for another producer", func(t *testing.T) {
		b, err := NewEncoder(kafka.Zstd).Encode(nil, written())
		if err != nil {
			t.Fatal(err)
		}
		Stamp(b, Producer{ID: 7, Epoch: 3, Sequence: 11, Transactional: true})
		first := parse(b)
		if !first.transactional() || first.codec() != int(kafka.Zstd) {
			t.Errorf("attributes %b", first.attributes)
		}
		Stamp(b, Producer{ID: 7, Epoch: 4, Sequence: 0})
		if second := parse(b); second.transactional() {
			t.Error("still transactional")
		}
		same(t, written(), b)
	})
	t.Run("never exceeds MaxSize", func(t *testing.T) {
		e := NewEncoder(0)
		for _, r := range written() {
			b, err := e.Encode(nil, []Record{r})
			if err != nil {
				t.Fatal(err)
			}
			if len(b)-Overhead > r.MaxSize() {
				t.Errorf("%d bytes, want at most %d", len(b)-Overhead, r.MaxSize())
			}
		}
	})
}

func same(t *testing.T, recs []Record, b []byte) {
	t.Helper()
	got, _, err := NewDecoder(0).Open(Fetched{Records: b}).Take(len(recs) + 1)
	if err != nil || len(got) != len(recs) {
		t.Fatalf("%d of %d records read back: %v", len(got), len(recs), err)
	}
	for i, r := range recs {
		m := got[i]
		if !bytes.Equal(m.Key, r.Key) || (m.Key == nil) != (r.Key == nil) || !bytes.Equal(m.Value, r.Value) || (m.Value == nil) != (r.Value == nil) ||
			m.Time.UnixMilli() != r.Time || len(m.Headers) != len(r.Headers) || m.Offset != int64(i) {
			t.Fatalf("record %d is %+v, want %+v", i, m, r)
		}
		for j, h := range r.Headers {
			if m.Headers[j].Key != h.Key || !bytes.Equal(m.Headers[j].Value, h.Value) || (m.Headers[j].Value == nil) != (h.Value == nil) {
				t.Errorf("header %d of record %d is %+v, want %+v", j, i, m.Headers[j], h)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	none := time.Time{}.UnixMilli() // Go's zero time
	for _, ms := range []int64{0, -1, 1, -86_400_000, none - 1, none, none + 1, math.MinInt64, math.MaxInt64} {
		t.Run(fmt.Sprintf("are read as written, %d", ms), func(t *testing.T) {
			recs := []Record{{Value: []byte("1"), Time: ms}, {Value: []byte("2"), Time: 1_700_000_000_000}, {Value: []byte("3"), Time: ms}}
			b, err := NewEncoder(0).Encode(nil, recs)
			if err != nil {
				t.Fatal(err)
			}
			Stamp(b, Producer{ID: 7})
			same(t, recs, b)
			msgs, _, err := NewDecoder(0).Open(Fetched{Records: b}).Take(3)
			if err != nil || msgs[0].Time.IsZero() {
				t.Errorf("the time reads as %v, which Go takes for none: %v", msgs[0].Time, err)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	recs := make([]Record, 1000)
	for i := range recs {
		recs[i] = Record{Key: fmt.Appendf(nil, "key-%d", i), Value: make([]byte, 200), Time: 1_700_000_000_000 + int64(i)}
	}
	e := NewEncoder(0)
	var dst []byte
	b.ReportAllocs()
	for range b.N {
		dst, _ = e.Encode(dst[:0], recs)
		Stamp(dst, Producer{ID: 1})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
