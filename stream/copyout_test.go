package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

// Records of 1 KB are fetched 256 at a time, and some of them are parked.
func TestCopyOut(t *testing.T) {
	for _, tc := range []struct {
		name string
		keys func(at int64) string // begins with p if it is parked
		each int64                 // one record of so many is parked
		lane int                   // parked lanes
	}{
		{"keeps a parked key in memory, and nothing else", func(int64) string { return "p" }, 20, 1},
		{"keeps a record of each parked key in memory, and nothing else", func(at int64) string { return fmt.Sprint("p", at) }, 256, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				records := 256 * 200
				parked := records / int(tc.each)
				f := &fetcher{records: int64(records), each: tc.each, parks: tc.keys, wake: make(chan struct{}, 1)}
				before, fixed, done := heap(), false, map[byte]int{}
				var tried, again [][]byte
				chain := stream.From(func() stream.Source[[]byte] { return f }).GroupByKey().Concurrent(1, func(_ ctx, v []byte) error {
					switch {
					case v[0] != 'p':
					case !fixed:
						tried = append(tried, v)
						return errBoom
					default:
						again = append(again, v)
					}
					done[v[0]]++
					return nil
				})
				j := launch(t, nil, nil, commitNow(chain.ParkOnError()), stream.MaxBytes(8<<20))
				synctest.Wait()
				if done['o'] != records-parked || len(tried) != tc.lane {
					t.Fatalf("%d records were handled, and %d parked ones tried: want %d and %d", done['o'], len(tried), records-parked, tc.lane)
				}
				s := j.Snapshot().Partitions[0]
				if s.InFlight != parked || s.Bytes > int64(parked)*payload {
					t.Errorf("%d records count as %d bytes, want %d of at most %d", s.InFlight, s.Bytes, parked, parked*payload)
				}
				first := tried[0]
				j.ear.es, tried = nil, nil // they keep what was fetched with the records
				if kept := heap() - before; kept > 2*int64(parked)*payload+4<<20 {
					t.Errorf("%d bytes are in memory for %d records of %d", kept, parked, payload)
				}
				if h := j.Halts()[0]; !bytes.Equal(h.Record.([]byte), f.value(0)) || !bytes.Equal(h.Value.([]byte), f.value(0)) || string(h.Meta.Key) != tc.keys(0) {
					t.Errorf("halt: %v", h)
				}
				if !bytes.Equal(first, f.value(0)) {
					t.Errorf("a handler's bytes were changed to %q", first)
				}
				fixed = true
				for _, h := range j.Halts() {
					must(t, j.Resume(h))
				}
				synctest.Wait()
				for i, v := range again {
					if at := int64(i) * tc.each; !bytes.Equal(v, f.value(at)) {
						t.Fatalf("record %d was handled as %q, want %q", at, v, f.value(at))
					}
				}
				if s := j.Snapshot().Partitions[0]; len(again) != parked || s.Watermark != int64(records) || s.Bytes != 0 {
					t.Errorf("%d parked records were handled, and it stands at %+v", len(again), s)
				}
			})
		})
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what was in a pool
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

const payload = 1 << 10

// fetcher is a source of one partition. What it fetches is one piece of memory.
type fetcher struct {
	records, each int64
	parks         func(at int64) string
	wake          chan struct{}
}

func (f *fetcher) Info() stream.SourceInfo {
	return stream.SourceInfo{Name: "fetcher", StateBytes: 64 << 10}
}

func (f *fetcher) Commit(context.Context, map[stream.TopicPartition]stream.Position) error {
	return nil
}

func (f *fetcher) Run(c context.Context, in *stream.Intake[[]byte]) error {
	ps, err := in.Assign(c, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "f"}, Committed: -1, Wake: func() {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	for p := ps[0]; ; {
		for {
			from := p.Next()
			n, _ := p.Room()
			if n = min(n, 256, int(f.records-from)); n == 0 {
				break
			}
			piece := make([]byte, 0, n*payload)
			l := pieces{from: from}
			for i := range n {
				piece = append(piece, f.value(from+int64(i))...)
				l.vals = append(l.vals, piece[i*payload:(i+1)*payload:(i+1)*payload])
			}
			p.Feed(slices.Clone(l.vals), l, from+int64(n), int64(n*payload))
		}
		select {
		case <-f.wake:
		case <-c.Done():
			in.Revoke(context.WithoutCancel(c), ps...)
			return nil
		}
	}
}

// value returns the value at an offset. It begins with its key.
func (f *fetcher) value(at int64) []byte {
	key := fmt.Sprint("o", at%7)
	if at%f.each == 0 {
		key = f.parks(at)
	}
	return append(append(make([]byte, 0, payload), key+" "...), bytes.Repeat([]byte{byte(at)}, payload-len(key)-1)...)
}

// pieces is the lineage of values that lie in one piece of memory.
type pieces struct {
	from int64
	vals [][]byte
	at   []int64 // of copies
}

func (p pieces) Key(i int) []byte { return p.vals[i][:bytes.IndexByte(p.vals[i], ' ')] }

func (p pieces) Meta(i int) stream.Meta {
	return stream.Meta{Topic: "f", Offset: p.Offset(i), Key: p.Key(i)}
}

func (p pieces) Offset(i int) int64 {
	if p.at != nil {
		return p.at[i]
	}
	return p.from + int64(i)
}

func (p pieces) CopyOut(of []int) ([][]byte, stream.Lineage, int64) {
	var c pieces
	for _, i := range of {
		c.vals, c.at = append(c.vals, bytes.Clone(p.vals[i])), append(c.at, p.Offset(i))
	}
	return slices.Clone(c.vals), c, int64(len(of) * payload)
}
