package batch

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkDecode decodes records of 200 bytes, 256 at a time as the fetch loop does.
func BenchmarkDecode(b *testing.B) {
	value := bytes.Repeat([]byte("abcdefgh"), 24)
	for _, per := range []int{1, 80, 5000} {
		for codec := range int16(5) {
			recs := make([]kmsg.Record, per)
			for i := range recs {
				recs[i] = kmsg.Record{OffsetDelta: int32(i), Key: fmt.Appendf(nil, "key-%04d", i), Value: value}
			}
			var raw []byte
			n := 0
			for ; n < 5000; n += per {
				raw = slices.Concat(raw, batchOf{base: int64(n), attrs: codec, squeeze: squeezers[codec], records: recs}.encode())
			}
			b.Run(fmt.Sprintf("codec=%d/perBatch=%d", codec, per), func(b *testing.B) {
				d := NewDecoder(0)
				b.ReportAllocs()
				for b.Loop() {
					s := d.Open(Fetched{Topic: "t", Records: raw})
					for s.More() {
						if _, _, err := s.Take(256); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			})
		}
	}
}
