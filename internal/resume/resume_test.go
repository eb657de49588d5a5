package resume

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var orders = Binding{
	Scope:     "zX3kq_0bT5m1Yw9uA2cD4e billing",
	TopicID:   [16]byte{0xa1, 0xb2, 0xc3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	Topic:     "orders",
	Partition: 3,
	Offset:    41207,
}

// seal makes a state of any bytes, with a valid checksum.
func seal(raw []byte) string {
	raw = slices.Clone(raw)
	return prefix + encoding.EncodeToString(binary.BigEndian.AppendUint32(raw, checksum(raw)))
}

// head encodes the start of a segment.
func head(count byte, s shape) byte { return count<<2 | byte(s) }

func header(b Binding) []byte {
	digest := b.digest()
	raw := append(digest[:], b.TopicID[:]...)
	raw = binary.AppendUvarint(raw, uint64(b.Partition))
	return binary.AppendUvarint(raw, uint64(b.Offset))
}

// alternating returns runs with holes: one record waits, the next has finished.
func alternating(at int64, holes int) (runs []Run) {
	for i := range int64(holes) {
		runs = append(runs, Run{at + 2*i + 1, at + 2*i + 2})
	}
	return runs
}

// spaced returns runs with one-record holes at equal distances.
func spaced(at int64, holes int, span int64) (runs []Run) {
	step := span / int64(holes)
	for i := range int64(holes) {
		runs = append(runs, Run{at + i*step + 1, at + (i+1)*step})
	}
	return runs
}

func drawBinding(t *rapid.T) Binding {
	var b Binding
	b.Scope, b.Topic = rapid.String().Draw(t, "scope"), rapid.String().Draw(t, "topic")
	copy(b.TopicID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	b.Partition = rapid.IntRange(0, math.MaxInt32).Draw(t, "partition")
	b.Offset = rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "offset")
	return b
}

// drawRuns mixes stretches that favour different shapes.
func drawRuns(t *rapid.T, at int64) (runs []Run) {
	short, long := rapid.Int64Range(1, 4), rapid.Int64Range(1, 1<<40)
	one := rapid.Just(int64(1))
	for range rapid.IntRange(0, 6).Draw(t, "stretches") {
		gaps := rapid.SampledFrom([]*rapid.Generator[int64]{one, short, long}).Draw(t, "gaps")
		lengths := rapid.SampledFrom([]*rapid.Generator[int64]{one, short, long}).Draw(t, "lengths")
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			gap, length := gaps.Draw(t, "gap"), lengths.Draw(t, "length")
			if len(runs) == 0 && rapid.Bool().Draw(t, "at once") {
				gap = 0
			}
			if gap > math.MaxInt64-at || length > math.MaxInt64-at-gap {
				return runs
			}
			runs = append(runs, Run{at + gap, at + gap + length})
			at += gap + length
		}
	}
	return runs
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBinding(t)
		finished := drawRuns(t, b.Offset)
		state, end := Encode(b, State{Finished: finished}, 1<<20)
		if end != math.MaxInt64 {
			t.Fatalf("cut at %d though there was room", end)
		}
		if i := strings.IndexFunc(state, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Fatalf("character %q is not printable", state[i])
		}
		got, err := runsOf(b, state)
		if err != nil || !slices.Equal(got, finished) {
			t.Fatalf("%v\nbecame %v, %v", finished, got, err)
		}
	})
}

// math.MaxInt64 is the largest end of a log.
func TestRoundTripOfTheLargestOffsets(t *testing.T) {
	b := orders
	b.Offset = 0
	for _, finished := range [][]Run{
		{{0, math.MaxInt64}},
		{{1, math.MaxInt64}},
		{{0, 1}, {math.MaxInt64 - 1, math.MaxInt64}},
	} {
		state, _ := Encode(b, State{Finished: finished}, 4096)
		if got, err := runsOf(b, state); err != nil || !slices.Equal(got, finished) {
			t.Errorf("%v became %v, %v", finished, got, err)
		}
	}
}

func TestCut(t *testing.T) {
	t.Run("keeps a prefix", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			finished := drawRuns(t, b.Offset)
			limit := rapid.IntRange(-1, 400).Draw(t, "limit")
			state, end := Encode(b, State{Finished: finished}, limit)
			if len(state) > max(limit, 0) {
				t.Fatalf("%d bytes, limit %d", len(state), limit)
			}
			if state == "" {
				if bare, _ := Encode(b, State{}, limit); bare != "" || end != b.Offset {
					t.Fatalf("no state up to %d, though %q fits", end, bare)
				}
				return
			}
			got, err := runsOf(b, state)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) > len(finished) || !slices.Equal(got, finished[:len(got)]) {
				t.Fatalf("%v\nbecame %v, which is no prefix", finished, got)
			}
			want := int64(math.MaxInt64)
			switch {
			case len(got) == len(finished):
			case len(got) == 0:
				want = b.Offset
			default:
				want = got[len(got)-1].To
			}
			if end != want {
				t.Fatalf("end is %d, want %d", end, want)
			}
		})
	})
	// Nothing is cut that would have fitted, except for a few bytes of framing.
	t.Run("fills the limit", func(t *testing.T) {
		for name, finished := range map[string][]Run{
			"alternating": alternating(orders.Offset, 100_000),
			"spaced":      spaced(orders.Offset, 100_000, 1<<30),
		} {
			state, end := Encode(orders, State{Finished: finished}, 4096)
			if len(state) < 4096-8 || end == math.MaxInt64 {
				t.Errorf("%s: %d characters of 4096, up to %d", name, len(state), end)
			}
		}
	})
}

// Admission relies on these sizes.
func TestSizes(t *testing.T) {
	bare, _ := Encode(orders, State{}, 4096)
	if len(bare) > 52 {
		t.Errorf("a state without runs has %d characters", len(bare))
	}
	for _, c := range []struct {
		name     string
		finished []Run
		bytes    int // of the section
	}{
		{"4096 alternating holes", alternating(orders.Offset, 4096), 1024 + 8},
		{"64 holes over 100,000 offsets", spaced(orders.Offset, 64, 100_000), 2*64 + 8},
		{"one long run", []Run{{orders.Offset + 1, orders.Offset + 1_000_000}}, 8},
		{"a bitmap between long runs", append(spaced(orders.Offset, 8, 80_000), alternating(orders.Offset+90_000, 800)...), 16 + 200 + 16},
	} {
		state, end := Encode(orders, State{Finished: c.finished}, 1<<20)
		if n := (len(state) - len(bare)) * 3 / 4; n > c.bytes || end != math.MaxInt64 {
			t.Errorf("%s: %d bytes, want at most %d", c.name, n, c.bytes)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var finished []Run
		at := orders.Offset
		for _, bits := range rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "offsets") {
			for i := range 8 {
				if bits>>i&1 == 1 {
					if n := len(finished); n > 0 && finished[n-1].To == at {
						finished[n-1].To++
					} else {
						finished = append(finished, Run{at, at + 1})
					}
				}
				at++
			}
		}
		state, _ := Encode(orders, State{Finished: finished}, 1<<20)
		span := int(at - orders.Offset)
		if n := (len(state) - len(bare)) * 3 / 4; n > span/8+8 {
			t.Fatalf("%d bytes for a span of %d", n, span)
		}
	})
}

// States are stored. Old states must stay readable, and earlier builds must be able to read new
// ones.
func TestGoldenStates(t *testing.T) {
	for _, c := range []struct {
		name     string
		finished []Run
		state    string
	}{
		{"none", nil,
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAksdrWw"},
		{"pairs", []Run{{41207, 41300}, {41400, 42000}, {50000, 50007}},
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAgEJDABdZNgEwD4HUh9CVA"},
		{"holes", spaced(41207, 5, 1000),
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAgELFccBxwHHAccBxwEExYkA"},
		{"singles", []Run{{41210, 41211}, {41300, 41301}, {41390, 41391}, {41470, 41471}, {41600, 41601}},
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAgEHFgNZWU-BAd7SJdY"},
		{"bitmap", alternating(41207, 40),
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAgELK6qqqqqqqqqqqqrxJJTW"},
		{"mixed", append(alternating(41207, 40), spaced(42000, 5, 5000)...),
			"lw2:VWlR7ryKPeChssMEBQYHCAkKCwwNDg8QA_fBAgEZK6qqqqqqqqqqqqoEygXnBxHnB-cH5wfnB82XKF0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state, _ := Encode(orders, State{Finished: c.finished}, 4096)
			if state != c.state {
				t.Errorf("encoded %q\nwant %q", state, c.state)
			}
			if got, err := runsOf(orders, c.state); err != nil || !slices.Equal(got, c.finished) {
				t.Errorf("decoded %v, %v", got, err)
			}
		})
	}
}

// Every stretch of runs is encoded in its shortest shape, so no single shape is shorter.
func TestShortestShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		finished := drawRuns(t, orders.Offset)
		if len(finished) == 0 {
			return
		}
		section, kept := encodeRuns(orders.Offset, finished, 1<<20)
		if kept < len(finished) {
			t.Fatalf("%d of %d runs were kept", kept, len(finished))
		}
		for s := range shapes {
			at, cost := orders.Offset, uint64(0)
			for _, r := range finished {
				cost += costs(r.distances(at))[s]
				at = r.To
			}
			if whole := 1 + int((cost+7)/8); len(section) > whole+2 {
				t.Fatalf("%v\n%d bytes, but %d in shape %d", finished, len(section), whole, s)
			}
		}
	})
}

// A short state may claim a large count, for which no memory may be allocated.
func TestDecodeAllocatesByInputSize(t *testing.T) {
	for s := range shapes {
		body := binary.AppendUvarint(nil, 1<<30|uint64(s))
		body = append(body, 1, 1, 1, 1)
		raw := append(header(orders), sectionFinished, byte(len(body)))
		state := seal(append(raw, body...))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := runsOf(orders, state)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrUnreadable) {
			t.Errorf("shape %d: %v", s, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("shape %d: %d bytes for %d characters", s, n, len(state))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Run("damage", func(t *testing.T) {
		for _, finished := range [][]Run{nil, spaced(orders.Offset, 20, 20_000), alternating(orders.Offset, 100)} {
			state, _ := Encode(orders, State{Finished: finished}, 4096)
			for n := range len(state) {
				if _, err := runsOf(orders, state[:n]); !errors.Is(err, ErrForeign) && !errors.Is(err, ErrDamaged) {
					t.Fatalf("%q truncated at %d: %v", state, n, err)
				}
			}
			for i := range state { // every bit flip, and more
				for c := 1; c < 256; c++ {
					altered := []byte(state)
					altered[i] ^= byte(c)
					_, err := runsOf(orders, string(altered))
					if !errors.Is(err, ErrForeign) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrDamaged) {
						t.Fatalf("%q was read: %v", altered, err)
					}
				}
			}
			for _, tail := range []string{"\n", "A", "AA", "AAA", "AAAA", "="} {
				if _, err := runsOf(orders, state+tail); !errors.Is(err, ErrDamaged) {
					t.Fatalf("%q: %v", state+tail, err)
				}
			}
		}
	})
	t.Run("a state of something else", func(t *testing.T) {
		state, _ := Encode(orders, State{Finished: alternating(orders.Offset, 3)}, 4096)
		for name, c := range map[string]struct {
			change func(b *Binding)
			want   error
			says   string
		}{
			"scope":     {func(b *Binding) { b.Scope = "zX3kq_0bT5m1Yw9uA2cD4e shipping" }, ErrScope, "shipping"},
			"topic":     {func(b *Binding) { b.Topic = "returns" }, ErrScope, "returns"},
			"topic id":  {func(b *Binding) { b.TopicID[0] = 0 }, ErrTopicID, "a1b2c304"},
			"no id":     {func(b *Binding) { b.TopicID = [16]byte{} }, ErrNoTopicID, "a1b2c304"},
			"partition": {func(b *Binding) { b.Partition = 7 }, ErrPartition, "partition, 3"},
			"below":     {func(b *Binding) { b.Offset-- }, ErrOffset, "41207"},
			"above":     {func(b *Binding) { b.Offset++ }, ErrOffset, "41207"},
			// in another cluster topics have other ids, so the offset belongs to neither
			"cluster": {func(b *Binding) { b.Scope = "other billing"; b.TopicID[0] = 0 }, ErrScope, "other"},
			// the offset was moved or copied, not meant for the topic that is gone
			"moved after": {func(b *Binding) { b.Offset = 0; b.TopicID[0] = 0 }, ErrOffset, "41207"},
			"copied":      {func(b *Binding) { b.Partition = 7; b.TopicID[0] = 0 }, ErrPartition, "partition, 3"},
		} {
			b := orders
			c.change(&b)
			got, err := runsOf(b, state)
			if !errors.Is(err, c.want) || got != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
			}
			for _, other := range []error{ErrForeign, ErrVersion, ErrDamaged, ErrScope, ErrTopicID, ErrNoTopicID, ErrPartition, ErrOffset, ErrSection, ErrUnreadable} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%s: %v matches %v too", name, err, other)
				}
			}
		}
	})
	// The boundary between scope and topic is part of the digest.
	t.Run("a shifted boundary between scope and topic", func(t *testing.T) {
		a, b := orders, orders
		a.Scope, a.Topic = "billing", "orders"
		b.Scope, b.Topic = "billingo", "rders"
		state, _ := Encode(a, State{}, 4096)
		if _, err := runsOf(b, state); !errors.Is(err, ErrScope) {
			t.Error(err)
		}
	})
	t.Run("text that is no state", func(t *testing.T) {
		unknown := append(header(orders), 9, 1, 0)
		for state, want := range map[string]error{
			"":                                       ErrForeign,
			"consumer-1 2024-05-01":                  ErrForeign,
			"lw":                                     ErrForeign,
			"lw1":                                    ErrForeign,
			"lw:AAAA":                                ErrForeign,
			"lwx:AAAA":                               ErrForeign,
			"LW1:AAAA":                               ErrForeign,
			"lw3:AAAA":                               ErrVersion,
			"lw1:AAAA":                               ErrVersion,
			"lw01:AAAA":                              ErrVersion,
			"lw10:":                                  ErrVersion,
			"lw2:":                                   ErrDamaged,
			"lw2:AAAAAAAA":                           ErrDamaged,
			seal(nil):                                ErrUnreadable,
			seal(header(orders)[:24]):                ErrUnreadable, // the partition is missing
			seal(header(orders)[:25]):                ErrUnreadable, // the offset is missing
			seal(header(orders)[:20]):                ErrUnreadable,
			seal(unknown):                            ErrSection,
			seal(append(header(orders), 0, 0)):       ErrSection,
			seal(append(header(orders), 1, 200)):     ErrUnreadable,
			seal(append(header(orders), 1)):          ErrUnreadable,
			seal(append(header(orders), 1, 0, 1, 0)): ErrUnreadable, // twice
		} {
			if got, err := runsOf(orders, state); !errors.Is(err, want) || got != nil {
				t.Errorf("%q: %v, %v; want %v", state, got, err, want)
			}
		}
	})
	t.Run("runs that do not ascend", func(t *testing.T) {
		huge := binary.AppendUvarint(nil, math.MaxInt64)
		for name, body := range map[string][]byte{
			"touching":                 {head(2, shapePairs), 5, 5, 0, 5},
			"empty run":                {head(1, shapePairs), 5, 0},
			"past the largest offset":  append([]byte{head(1, shapePairs), 5}, huge...),
			"a gap past it":            append([]byte{head(1, shapeSingles)}, huge...),
			"no number":                append([]byte{head(1, shapeSingles)}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
			"count of none":            {head(0, shapePairs)},
			"count beyond the end":     {head(3, shapeHoles), 5, 5},
			"pair without length":      {head(1, shapePairs), 5},
			"second pair missing":      {head(2, shapePairs), 5, 5},
			"bitmap of none":           {head(0, shapeBitmap)},
			"bitmap beyond the end":    {head(2, shapeBitmap), 1},
			"bitmap that ends in none": {head(2, shapeBitmap), 1, 0},
			"bitmap touching":          {head(1, shapePairs), 5, 5, head(1, shapeBitmap), 1},
			"segment without a head":   {0x80},
		} {
			raw := append(header(orders), sectionFinished, byte(len(body)))
			got, err := runsOf(orders, seal(append(raw, body...)))
			if !errors.Is(err, ErrUnreadable) || got != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
}

func TestEncodePanicsOnRunsOutOfOrder(t *testing.T) {
	at := orders.Offset
	for name, finished := range map[string][]Run{
		"below the offset": {{at - 1, at + 1}},
		"empty":            {{at + 1, at + 1}},
		"touching":         {{at + 1, at + 2}, {at + 2, at + 3}},
		"descending":       {{at + 5, at + 6}, {at + 1, at + 2}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			Encode(orders, State{Finished: finished}, 4096)
		}()
	}
}

// FuzzDecode decodes any text, and any sections with a valid header and checksum.
func FuzzDecode(f *testing.F) {
	for _, finished := range [][]Run{nil, spaced(orders.Offset, 20, 20_000), alternating(orders.Offset, 100)} {
		state, _ := Encode(orders, State{Finished: finished}, 4096)
		raw, err := open(state)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state, []byte(raw[len(header(orders)):]))
	}
	for _, lanes := range []State{manyLanes(3, 20, 40), {Halts: manyLanes(2, 20, 0).Halts, Asides: manyLanes(5, 20, 900_000).Asides}} {
		state, _ := Encode(orders, lanes, 4096)
		raw, err := open(state)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state, []byte(raw[len(header(orders)):]))
	}
	f.Add("lw3:", []byte{1, 6, head(1, shapePairs), 5, 5, head(1, shapeBitmap), 0x82})
	f.Fuzz(func(t *testing.T, text string, sections []byte) {
		for _, state := range []string{text, seal(append(header(orders), sections...))} {
			s, err := Decode(orders, state)
			if err != nil {
				if !reflect.DeepEqual(s, State{}) {
					t.Fatalf("%v with %v", s, err)
				}
				continue
			}
			runs := s.Finished
			if cap(runs) > 8*len(state) {
				t.Fatalf("capacity for %d runs from %d characters", cap(runs), len(state))
			}
			at := orders.Offset - 1
			for _, r := range runs {
				if r.From <= at || r.To <= r.From {
					t.Fatalf("%v does not ascend from %d", runs, orders.Offset)
				}
				at = r.To
			}
			if cap(s.Halts)+cap(s.Asides) > 8*len(state) {
				t.Fatalf("capacity for %d halts and %d lanes from %d characters", cap(s.Halts), cap(s.Asides), len(state))
			}
			again, end := Encode(orders, s, 1<<20)
			if got, err := Decode(orders, again); err != nil || !slices.Equal(got.Finished, runs) || !slices.Equal(got.Asides, s.Asides) || len(got.Halts) != len(s.Halts) {
				t.Fatalf("%+v\nbecame %+v up to %d, %v", s, got, end, err)
			}
		}
	})
}

func BenchmarkEncodeDecode(b *testing.B) {
	for _, c := range []struct {
		name     string
		finished []Run
	}{
		{"64 holes over 100,000", spaced(orders.Offset, 64, 100_000)},
		{"4,096 alternating", alternating(orders.Offset, 4096)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				state, _ := Encode(orders, State{Finished: c.finished}, 4096)
				if _, err := runsOf(orders, state); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func runsOf(b Binding, state string) ([]Run, error) {
	s, err := Decode(b, state)
	return s.Finished, err
}
