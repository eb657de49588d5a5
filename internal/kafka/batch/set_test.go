package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// drain takes all records, n at a time.
func drain(t *testing.T, s *Set, n int) ([]kafka.Message, error) {
	t.Helper()
	var all []kafka.Message
	for s.More() {
		msgs, _, err := s.Take(n)
		if err != nil {
			return all, err
		}
		if len(msgs) > n {
			t.Fatalf("%d messages, want at most %d", len(msgs), n)
		}
		all = append(all, msgs...)
	}
	return all, nil
}

func offsets(msgs []kafka.Message) []int64 {
	var o []int64
	for _, m := range msgs {
		o = append(o, m.Offset)
	}
	return o
}

func open(b []byte, from int64) *Set {
	return NewDecoder(0).Open(Fetched{Topic: "orders", Partition: 3, From: from, HighWater: 99, Records: b})
}

func TestTake(t *testing.T) {
	t.Run("returns the same records for every codec", func(t *testing.T) {
		codecs := map[string]batchOf{"snappy, as Java frames it": {attrs: 2, squeeze: framed}}
		for c, f := range squeezers {
			codecs[fmt.Sprintf("codec %d", c)] = batchOf{attrs: c, squeeze: f}
		}
		for name, b := range codecs {
			for _, n := range []int{1, 7, 256} {
				t.Run(fmt.Sprintf("%s, %d at a time", name, n), func(t *testing.T) {
					b.base, b.records = 10, records(20)
					b.records[4].Headers = []kmsg.Header{{Key: "trace", Value: []byte("abc")}, {Key: "", Value: nil}}
					b.records[5].Key, b.records[5].Value = nil, nil
					b.records[6].Key, b.records[6].Value = []byte{}, []byte{}
					raw := b.encode()
					s := open(raw, 10)
					msgs, err := drain(t, s, n)
					if err != nil || len(msgs) != 20 {
						t.Fatal(len(msgs), err)
					}
					clear(raw) // messages must not refer to it
					m := msgs[4]
					if m.Topic != "orders" || m.Partition != 3 || m.Offset != 14 || string(m.Key) != "k4" || string(m.Value) != "value 4" || m.HighWaterMark != 99 {
						t.Errorf("message: %+v", m)
					}
					if !m.Time.Equal(time.UnixMilli(1_700_000_000_004)) {
						t.Errorf("time: %v", m.Time)
					}
					if len(m.Headers) != 2 || m.Headers[0].Key != "trace" || string(m.Headers[0].Value) != "abc" || m.Headers[1].Value != nil {
						t.Errorf("headers: %+v", m.Headers)
					}
					if msgs[5].Key != nil || msgs[5].Value != nil || msgs[6].Key == nil || msgs[6].Value == nil {
						t.Error("null and empty are confused")
					}
					if s.Next() != 30 {
						t.Errorf("next: %d", s.Next())
					}
				})
			}
		}
	})
	t.Run("returns the broker's time for LogAppendTime", func(t *testing.T) {
		msgs, err := drain(t, open(batchOf{attrs: 8, records: records(2)}.encode(), 0), 10)
		if err != nil || !msgs[1].Time.Equal(time.UnixMilli(1_700_000_009_000)) {
			t.Fatal(msgs, err)
		}
	})
	t.Run("leaves out records below the offset", func(t *testing.T) {
		for codec, f := range squeezers {
			b := slices.Concat(batchOf{base: 0, records: records(5)}.encode(), batchOf{base: 5, attrs: codec, squeeze: f, records: records(5)}.encode())
			msgs, err := drain(t, open(b, 7), 10)
			if err != nil || !slices.Equal(offsets(msgs), []int64{7, 8, 9}) {
				t.Fatal(codec, offsets(msgs), err)
			}
		}
	})
	t.Run("moves past gaps and empty batches", func(t *testing.T) {
		compacted := records(10)
		compacted = append(compacted[2:3:3], compacted[5])
		b := slices.Concat(
			batchOf{base: 0, last: 9, records: compacted}.encode(),
			batchOf{base: 10, last: 89}.encode(), // left empty by compaction
			batchOf{base: 120, records: records(1)}.encode(),
			batchOf{base: 121, last: 4}.encode(),
		)
		s := open(b, 0)
		msgs, err := drain(t, s, 100)
		if err != nil || !slices.Equal(offsets(msgs), []int64{2, 5, 120}) || s.Next() != 126 {
			t.Fatal(offsets(msgs), s.Next(), err)
		}
	})
	t.Run("accepts a partial batch at the end", func(t *testing.T) {
		whole, cut := batchOf{records: records(3)}.encode(), batchOf{base: 3, records: records(3)}.encode()
		for n := range cut {
			s := open(append(whole[:len(whole):len(whole)], cut[:n]...), 0)
			msgs, err := drain(t, s, 10)
			if err != nil || len(msgs) != 3 || s.Next() != 3 || s.Whole() != len(whole) {
				t.Fatal(n, len(msgs), s.Next(), s.Whole(), err)
			}
		}
		s := open(cut[:40], 3)
		if msgs, err := drain(t, s, 10); err != nil || len(msgs) != 0 || s.Whole() != len(cut) || s.Next() != 3 {
			t.Errorf("a truncated first batch: %d messages, %v, Whole %d, next %d", len(msgs), err, s.Whole(), s.Next())
		}
	})
	t.Run("leaves out aborted transactions under read_committed", func(t *testing.T) {
		b := slices.Concat(
			batchOf{base: 0, attrs: 0x10, producer: 7, records: records(2)}.encode(), // aborted
			batchOf{base: 2, attrs: 0x10, producer: 8, records: records(2)}.encode(), // committed
			batchOf{base: 4, records: records(1)}.encode(),                           // no transaction
			marker(5, 7, false),
			// the next transaction of the same producer
			batchOf{base: 6, attrs: 0x10, producer: 7, records: records(1)}.encode(),
			marker(7, 8, true),
			marker(8, 7, true),
		)
		f := Fetched{Records: b, Committed: true, Aborted: []Aborted{{ProducerID: 7, FirstOffset: 0}}}
		s := NewDecoder(0).Open(f)
		msgs, err := drain(t, s, 2)
		if err != nil || !slices.Equal(offsets(msgs), []int64{2, 3, 4, 6}) || s.Next() != 9 {
			t.Fatal(offsets(msgs), s.Next(), err)
		}
		f.Committed = false
		msgs, err = drain(t, NewDecoder(0).Open(f), 2)
		if err != nil || !slices.Equal(offsets(msgs), []int64{0, 1, 2, 3, 4, 6}) {
			t.Fatal("uncommitted:", offsets(msgs), err)
		}
	})
	t.Run("copies records out of the response", func(t *testing.T) {
		s := open(batchOf{records: records(1000)}.encode(), 0)
		msgs, size, err := s.Take(10)
		if err != nil || len(msgs) != 10 || size > arenaSize {
			t.Fatal(len(msgs), size, err)
		}
		k := append(msgs[0].Key, "overflow"...)
		if string(msgs[0].Value) != "value 0" || string(k) != "k0overflow" {
			t.Error("an append to one field overwrote the next")
		}
	})
}

func marker(base, producer int64, commit bool) []byte {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return batchOf{base: base, attrs: 0x30, producer: producer, records: []kmsg.Record{{Key: key, Value: make([]byte, 6)}}}.encode()
}

func TestDamage(t *testing.T) {
	t.Run("is reported after the records before it", func(t *testing.T) {
		good := batchOf{base: 0, records: records(3)}.encode()
		damaged := batchOf{base: 3, records: records(4)}.encode()
		damaged[len(damaged)-2] ^= 1
		behind := batchOf{base: 20, records: records(1)}.encode()
		for _, keep := range []bool{false, true} {
			b := slices.Concat(good, damaged, behind)
			s := open(b, 0)
			msgs, _, err := s.Take(10)
			if err != nil || len(msgs) != 3 {
				t.Fatal(len(msgs), err)
			}
			if keep {
				s.Keep()
				clear(b)
			}
			_, _, err = s.Take(10)
			var e *kafkaerr.BatchError
			if !errors.As(err, &e) || !errors.Is(err, ErrChecksum) || e.Offset != 3 || e.Next != 20 || e.Topic != "orders" || e.Partition != 3 {
				t.Fatalf("error: %v", err)
			}
			if s.More() {
				t.Error("More after an error")
			}
		}
	})
	t.Run("leaves the end of the batch in doubt", func(t *testing.T) {
		b := batchOf{base: 3, records: records(4)}.encode()
		binary.BigEndian.PutUint32(b[23:], 1<<30) // last offset delta
		_, err := drain(t, open(b, 3), 10)
		var e *kafkaerr.BatchError
		if !errors.As(err, &e) || e.Offset != 3 || e.Next != 4 {
			t.Fatalf("error: %v", err)
		}
	})
	t.Run("of a record spares those before it", func(t *testing.T) {
		b := batchOf{base: 3, records: records(4)}
		raw := b.encode()
		at := bytes.Index(raw, []byte("k2")) - 1
		raw[at] = 0x7e // a key longer than its record
		seal(raw)
		msgs, err := drain(t, open(raw, 3), 10)
		var e *kafkaerr.BatchError
		if !errors.As(err, &e) || !errors.Is(err, ErrMalformed) || e.Offset != 5 || e.Next != 7 || len(msgs) != 2 {
			t.Fatalf("%d messages, error: %v", len(msgs), err)
		}
	})
	t.Run("names an old format", func(t *testing.T) {
		for magic := range byte(2) {
			old := make([]byte, 40)
			binary.BigEndian.PutUint64(old, 5)
			binary.BigEndian.PutUint32(old[8:], 28)
			old[magicAt] = magic
			_, err := drain(t, open(old, 5), 10)
			var f *FormatError
			var e *kafkaerr.BatchError
			if !errors.As(err, &f) || f.Magic != int8(magic) || !errors.As(err, &e) || e.Offset != 5 || e.Next != 6 {
				t.Errorf("error: %v", err)
			}
		}
	})
	t.Run("by a bomb stops at the limit", func(t *testing.T) {
		for codec, f := range squeezers {
			if f == nil {
				continue
			}
			b := batchOf{base: 4, attrs: codec, squeeze: f, records: []kmsg.Record{{Value: make([]byte, 3<<20)}}}.encode()
			_, err := drain(t, NewDecoder(1<<20).Open(Fetched{From: 4, Records: b}), 10)
			var large *TooLargeError
			var e *kafkaerr.BatchError
			if !errors.As(err, &large) || !errors.As(err, &e) || e.Offset != 4 || e.Next != 5 {
				t.Errorf("codec %d: %v", codec, err)
			}
			if msgs, err := drain(t, NewDecoder(4<<20).Open(Fetched{From: 4, Records: b}), 10); err != nil || len(msgs) != 1 {
				t.Errorf("codec %d within the limit: %v", codec, err)
			}
		}
	})
	t.Run("of compressed data is an error", func(t *testing.T) {
		for codec := range int16(7) {
			if codec == 0 {
				continue
			}
			b := batchOf{attrs: codec, records: records(3)}.encode()
			_, err := drain(t, open(b, 0), 10)
			var e *kafkaerr.BatchError
			if !errors.As(err, &e) || e.Next != 3 {
				t.Errorf("codec %d: %v", codec, err)
			}
		}
	})
}

// streamed compresses as a stream, whose header names a window but no size.
func streamed(window int) func([]byte) []byte {
	return func(b []byte) []byte {
		var out bytes.Buffer
		w, _ := zstd.NewWriter(&out, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		w.Write(b[:len(b)/2])
		w.Flush()
		w.Write(b[len(b)/2:])
		w.Close()
		return out.Bytes()
	}
}

// sized compresses into a frame whose header names a window and a size.
func sized(window int) func([]byte) []byte {
	return func(b []byte) []byte {
		w, _ := zstd.NewWriter(nil, zstd.WithWindowSize(window), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
		return w.EncodeAll(b, nil)
	}
}

func TestZstdWindow(t *testing.T) {
	size := func(n int) []kmsg.Record { return []kmsg.Record{{Value: bytes.Repeat([]byte("laneway "), n/8)}} }
	t.Run("does not limit the size", func(t *testing.T) {
		for _, c := range []struct{ window, limit, size int }{{128 << 20, 0, 300}, {128 << 20, 0, 3 << 20}, {2 << 20, 1 << 20, 300}, {8 << 20, 1 << 20, 1<<20 - 100}, {512 << 20, 1 << 10, 800}} {
			b := batchOf{base: 4, attrs: 4, squeeze: streamed(c.window), records: size(c.size)}.encode()
			msgs, err := drain(t, NewDecoder(c.limit).Open(Fetched{From: 4, Records: b}), 10)
			if err != nil || len(msgs) != 1 || len(msgs[0].Value) != c.size/8*8 {
				t.Errorf("a window of %d, a limit of %d, a record of %d: %d messages, %v", c.window, c.limit, c.size, len(msgs), err)
			}
		}
	})
	t.Run("allows a batch as large as the limit, and no larger", func(t *testing.T) {
		body := bytes.Repeat([]byte("laneway "), 64<<10)
		for limit, fits := range map[int]bool{len(body): true, len(body) - 1: false} {
			d, dst := NewDecoder(limit), []byte{}
			err := d.decompress(&dst, 4, streamed(8<<20)(body))
			var large *TooLargeError
			if fits != bytes.Equal(dst, body) || fits == errors.As(err, &large) {
				t.Errorf("%d bytes with a limit of %d: %d bytes, %v", len(body), limit, len(dst), err)
			}
		}
	})
	t.Run("of every level and kind of frame, alone or with others, bounds nothing but its own size", func(t *testing.T) {
		plain, random := bytes.Repeat([]byte("laneway "), 8<<10), make([]byte, 64<<10)
		rand.NewChaCha8([32]byte{}).Read(random)
		kinds := map[string]func(window int) func([]byte) []byte{"without a size": streamed, "with a size": sized}
		for _, bits := range []int{10, 19, 23, 27} { // levels 1 to 22 have 19 to 27
			for kind, squeeze := range kinds {
				for name, body := range map[string][]byte{"text": plain, "random bytes": random} {
					for _, frames := range []int{1, 3} {
						var src []byte
						for part := range slices.Chunk(body, (len(body)+frames-1)/frames) {
							src = append(src, squeeze(1<<bits)(part)...)
							src = append(src, squeezers[4](nil)...) // an empty frame
						}
						for limit, fits := range map[int]bool{len(body) + 1: true, len(body): true, len(body) - 1: false, 1 << 10: false} {
							d, dst := NewDecoder(limit), []byte{}
							err := d.decompress(&dst, 4, src)
							var large *TooLargeError
							if fits != bytes.Equal(dst, body) || fits == errors.As(err, &large) {
								t.Errorf("%d frames of %s %s, a window of %d bits, a limit of %d: %d bytes, %v", frames, name, kind, bits, limit, len(dst), err)
							}
						}
					}
				}
			}
		}
	})
	t.Run("stops a bomb with a window larger than memory", func(t *testing.T) {
		b := batchOf{base: 4, attrs: 4, squeeze: streamed(128 << 20), records: []kmsg.Record{{Value: make([]byte, 16<<20)}}}.encode()
		_, err := drain(t, NewDecoder(1<<20).Open(Fetched{From: 4, Records: b}), 10)
		var large *TooLargeError
		if !errors.As(err, &large) || !strings.Contains(err.Error(), "MaxDecompressed") {
			t.Error(err)
		}
	})
	t.Run("belongs to one frame", func(t *testing.T) {
		b := batchOf{attrs: 4, squeeze: func(b []byte) []byte {
			return append(squeezers[4](b[:len(b)/2]), streamed(128<<20)(b[len(b)/2:])...)
		}, records: records(20)}.encode()
		if msgs, err := drain(t, NewDecoder(1<<20).Open(Fetched{Records: b}), 10); err != nil || len(msgs) != 20 {
			t.Errorf("%d messages, %v", len(msgs), err)
		}
	})
}
