package resume

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawHalts draws halts beside, within and above runs, and what was set aside of their lanes.
func drawHalts(t *rapid.T, at int64, runs []Run) (halts []Halt, asides []Aside) {
	ends := []int64{at}
	for _, r := range runs {
		ends = append(ends, r.From-1, r.From, r.To-1, r.To)
	}
	lanes := rapid.SliceOfNDistinct(rapid.String(), 0, 30, rapid.ID).Draw(t, "keys")
	for _, key := range lanes {
		h := Halt{Scope: Scope(rapid.IntRange(0, 2).Draw(t, "scope")), Attempts: rapid.IntRange(0, 2).Draw(t, "attempts"), Step: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "step")}
		h.Offset = rapid.SampledFrom(ends).Draw(t, "offset")
		if more := rapid.Int64Range(0, 100).Draw(t, "more"); rapid.Bool().Draw(t, "beside") && h.Offset <= math.MaxInt64-more {
			h.Offset += more
		}
		h.Offset = max(at, h.Offset)
		h.Last, h.Since = h.Offset, rapid.Int64Range(0, 1<<40).Draw(t, "since")
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			h.By = "olaf"
		case 1:
			h.Last += min(rapid.Int64Range(1, 9).Draw(t, "span"), math.MaxInt64-h.Last)
		case 2:
			h.ResumeAt = h.Since + 60
		}
		if h.Scope == Lane {
			h.Lane = LaneOf([]byte(key))
		}
		if rapid.Bool().Draw(t, "aside") {
			from := h.Offset - rapid.Int64Range(-1000, min(5, h.Offset-at)).Draw(t, "before")
			asides = append(asides, Aside{LaneOf([]byte(key)), max(from, at)})
		}
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			halts = append(halts, h)
		}
	}
	slices.SortFunc(asides, Aside.compare)
	return halts, asides
}

func drawState(t *rapid.T, at int64) State {
	s := State{Finished: drawRuns(t, at)}
	s.Halts, s.Asides = drawHalts(t, at, s.Finished)
	return s
}

// below returns the parts of runs below an offset.
func below(runs []Run, end int64) (left []Run) {
	for _, r := range runs {
		if r.To = min(r.To, end); r.From < r.To {
			left = append(left, r)
		}
	}
	return left
}

func sorted(halts []Halt) []Halt {
	return slices.SortedStableFunc(slices.Values(halts), func(a, b Halt) int { return cmp.Compare(a.Offset, b.Offset) })
}

func TestLayout(t *testing.T) {
	t.Run("says the same of records wherever they halted", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			s := drawState(t, b.Offset)
			state, end := Encode(b, s, 1<<20)
			got, err := Decode(b, state)
			if s.Halts = sorted(s.Halts); err != nil || end != math.MaxInt64 || !slices.Equal(got.Finished, s.Finished) ||
				!slices.Equal(got.Asides, s.Asides) || len(s.Halts) > 0 && !reflect.DeepEqual(got.Halts, s.Halts) {
				t.Fatalf("%+v\nbecame %+v, %v", s, got, err)
			}
		})
	})
	t.Run("claims nothing more, and keeps all lanes that were set aside, wherever it is cut", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			s := drawState(t, b.Offset)
			limit := rapid.IntRange(0, 900).Draw(t, "limit")
			state, end := Encode(b, s, limit)
			if len(state) > limit {
				t.Fatalf("%d characters", len(state))
			}
			if state == "" && end == b.Offset {
				return // nothing is stored, so nothing counts as finished
			}
			got, err := Decode(b, state)
			if err != nil || !slices.Equal(got.Finished, below(s.Finished, end)) || !slices.Equal(got.Asides, s.Asides) {
				t.Fatalf("%+v\nbecame %+v up to %d, %v", s, got, end, err)
			}
			if n := len(got.Halts); n > 0 && (end != math.MaxInt64 || !reflect.DeepEqual(got.Halts, sorted(s.Halts)[:n])) {
				t.Fatalf("%+v\nbecame %+v up to %d", s.Halts, got.Halts, end)
			}
		})
	})
	t.Run("has a hole again where a halt is cut", func(t *testing.T) {
		s := manyLanes(20, 40, 100)
		whole, _ := Encode(orders, s, 4096)
		for limit := range len(whole) {
			state, end := Encode(orders, s, limit)
			got, err := Decode(orders, state)
			if state != "" && (err != nil || !slices.Equal(got.Finished, below(s.Finished, end)) || !slices.Equal(got.Asides, s.Asides)) {
				t.Fatalf("at %d characters: %+v up to %d, %v", limit, got, end, err)
			}
			if len(got.Halts) > 0 && end != math.MaxInt64 {
				t.Errorf("at %d characters, runs were cut although halts were kept", limit)
			}
		}
	})
}

// manyLanes returns a state of lanes that are parked at equal distances, and set aside further up.
func manyLanes(lanes int, apart, further int64) (s State) {
	for i := range int64(lanes) {
		at, key := orders.Offset+i*apart, []byte(fmt.Sprint("customer ", i))
		s.Halts = append(s.Halts, Halt{Scope: Lane, Offset: at, Last: at, Attempts: 3, Since: 1_790_000_000 + i*60, Builds: []Build{BuildOf("v1")}, Step: "charge", Lane: LaneOf(key)})
		s.Finished = append(s.Finished, Run{at + 1, at + apart})
		if further > 0 {
			s.Asides = append(s.Asides, Aside{LaneOf(key), at + further})
		}
	}
	return s
}

// A lane that is parked and set aside is stored once: see docs/capacity.md.
func TestSizeOfALane(t *testing.T) {
	const lanes = 240
	bare, _ := Encode(orders, manyLanes(1, 20, 0), 1<<20)
	for _, c := range []struct {
		apart, further int64
		bytes          int // at most
	}{
		{20, 0, 8}, // distance, time, lane, and that it is not set aside
		{20, 40, 8},
		{20, 10_000, 9},
		{20, 1_000_000, 10},
		{1000, 1_000_000, 11},
	} {
		s := manyLanes(lanes, c.apart, c.further)
		state, end := Encode(orders, s, 4096)
		if n := (len(state) - len(bare)) * 3 / 4; n > (lanes-1)*c.bytes+8 || end != math.MaxInt64 {
			t.Errorf("%d lanes %d apart, set aside %d further, take %d bytes, want %d each", lanes, c.apart, c.further, n, c.bytes)
		}
	}
}

func TestReserve(t *testing.T) {
	// With what is reserved, the halts and lanes of a state fit beside runs that Room allows.
	t.Run("is what halts and lanes take", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			s := drawState(t, b.Offset)
			kept := Reserve(b.Offset, math.MaxInt64, State{Halts: s.Halts, Asides: s.Asides}, 0).Bytes
			bare, _ := Encode(b, State{}, 4096)
			state, _ := Encode(b, State{Halts: s.Halts, Asides: s.Asides}, 1<<20)
			if n := int64(len(state)-len(bare)) * 3 / 4; n > kept {
				t.Fatalf("%d bytes, but %d are kept", n, kept)
			}
		})
	})
	for _, c := range []struct {
		name           string
		apart, further int64
		lanes          int
	}{
		{"parked", 20, 0, 340},
		{"set aside at once", 20, 40, 320},
		{"set aside later", 20, 9000, 280},
		{"set aside much later", 20, 900_000, 260},
	} {
		t.Run(fmt.Sprintf("leaves room for at least %d lanes that are %s", c.lanes, c.name), func(t *testing.T) {
			const limit, others, again = 4096 - 37, 4, 64
			n := 0
			for span := int64(0); ; n++ {
				s := manyLanes(n, c.apart, c.further)
				span = max(span, int64(n)*c.apart+c.further)
				kept := Reserve(orders.Offset, math.MaxInt64, State{Halts: s.Halts, Asides: s.Asides}, again)
				if kept.Room(limit, span, n+others, others) <= 0 {
					break
				}
				at := orders.Offset + span
				for i := range int64(others) {
					s.Finished = append(s.Finished, Run{at + 2*i + 1, at + 2*i + 2})
				}
				if state, end := Encode(orders, s, limit); end != math.MaxInt64 || len(state) > limit {
					t.Fatalf("the state of %d lanes has %d characters and is cut at %d", n, len(state), end)
				} else if got, err := Decode(orders, state); err != nil || len(got.Halts) != n {
					t.Fatalf("%d of %d halts, %v", len(got.Halts), n, err)
				}
			}
			if n < c.lanes {
				t.Errorf("only %d lanes", n)
			}
		})
	}
	t.Run("takes finished runs that the ledger has passed in part", func(t *testing.T) {
		runs := []Run{{orders.Offset - 3, orders.Offset + 5}, {orders.Offset + 9, orders.Offset + 20}}
		if got := Reserve(orders.Offset, orders.Offset+10, State{Finished: runs}, 64); got.Runs != 1 || got.Wide != 3 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("leaves room beside one lane for the records of hours", func(t *testing.T) {
		s := manyLanes(1, 20, 900_000)
		kept := Reserve(orders.Offset, math.MaxInt64, State{Halts: s.Halts, Asides: s.Asides}, 64)
		if n := kept.Room(4096, 1_000_000, 100, 64); n < 100 {
			t.Errorf("room for %d records", n)
		}
	})
}

func TestDecodeRefusesLanes(t *testing.T) {
	alice := LaneOf([]byte("alice"))
	row := func(flags byte) []byte { return []byte{1, flags, 0, 0, 0, 0} } // no attempts, builds, step and error
	lane := func(more ...byte) []byte { return append(alice[:len(alice):len(alice)], more...) }
	ofLane := row(byte(Lane) << flagBits)
	for name, sections := range map[string][]byte{
		"a lane in both sections":      slices.Concat([]byte{sectionAsides, 6, 1}, lane(), []byte{sectionHalts, 14}, ofLane, []byte{0, 0}, lane(1)),
		"a lane twice in one":          slices.Concat([]byte{sectionAsides, 12, 1}, lane(1), lane()),
		"no word of a lane":            slices.Concat([]byte{sectionHalts, 13}, ofLane, []byte{0, 0}, lane()),
		"a lane that is incomplete":    slices.Concat([]byte{sectionHalts, 12}, ofLane, []byte{0, 0}, lane()[:4]),
		"a lane past all offsets":      slices.Concat([]byte{sectionHalts, 22}, ofLane, []byte{0, 0}, lane(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
		"another row, of none":         slices.Concat([]byte{sectionHalts, 9}, row(byte(Record)<<flagBits), []byte{1, 1, 0}),
		"an operator's finished halt":  slices.Concat([]byte{sectionHalts, 10}, []byte{1, flagBy | flagFinished, 0, 0, 0, 0, 1, 'o'}, []byte{0, 0}),
		"a finished halt of several":   slices.Concat([]byte{sectionHalts, 9}, row(flagSpans|flagFinished), []byte{0, 0, 1}),
		"several records that are one": slices.Concat([]byte{sectionHalts, 9}, row(flagSpans), []byte{0, 0, 0}),
		"more rows than there is room": {sectionHalts, 4, 2, 0, 0, 0},
	} {
		got, err := Decode(orders, seal(append(header(orders), sections...)))
		if !errors.Is(err, ErrUnreadable) || !reflect.DeepEqual(got, State{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	whole := slices.Concat([]byte{sectionHalts, 14}, ofLane, []byte{0, 0}, lane(1))
	if got, err := Decode(orders, seal(append(header(orders), whole...))); err != nil || len(got.Asides) != 1 || got.Asides[0].From != orders.Offset {
		t.Errorf("%+v, %v", got, err)
	}
}
