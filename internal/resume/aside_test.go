package resume

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawAsides(t *rapid.T, at int64) (all []Aside) {
	for _, key := range rapid.SliceOfNDistinct(rapid.String(), 0, 30, rapid.ID).Draw(t, "lanes") {
		at += min(rapid.Int64Range(0, 1<<20).Draw(t, "further"), math.MaxInt64-at)
		all = append(all, Aside{LaneOf([]byte(key)), at})
	}
	return all
}

func TestAsides(t *testing.T) {
	t.Run("come back, in order", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			s := State{Finished: drawRuns(t, b.Offset), Asides: drawAsides(t, b.Offset)}
			shuffled := slices.Clone(s.Asides)
			slices.Reverse(shuffled)
			state, _ := Encode(b, State{Finished: s.Finished, Asides: shuffled}, 1<<20)
			got, err := Decode(b, state)
			order := func(a, b Aside) int {
				return cmp.Or(cmp.Compare(a.From, b.From), slices.Compare(a.Lane[:], b.Lane[:]))
			}
			if !slices.IsSortedFunc(got.Asides, func(a, b Aside) int { return cmp.Compare(a.From, b.From) }) {
				t.Fatalf("not in order: %v", got.Asides)
			}
			slices.SortFunc(got.Asides, order)
			slices.SortFunc(s.Asides, order)
			if err != nil || !slices.Equal(got.Finished, s.Finished) || !slices.Equal(got.Asides, s.Asides) {
				t.Fatalf("%+v became %+v, %v", s, got, err)
			}
		})
	})
	t.Run("are never cut from a state", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			b := drawBinding(t)
			s := State{Finished: drawRuns(t, b.Offset), Asides: drawAsides(t, b.Offset)}
			state, end := Encode(b, s, rapid.IntRange(0, 600).Draw(t, "limit"))
			got, err := Decode(b, state)
			if state == "" && end == b.Offset {
				return // nothing is stored, so nothing counts as finished
			}
			if err != nil || len(got.Asides) != len(s.Asides) {
				t.Fatalf("%v became %v, %v", s.Asides, got.Asides, err)
			}
		})
	})
	t.Run("are refused if they are incomplete", func(t *testing.T) {
		raw := append(header(orders), sectionAsides, 3, 1, 2, 3)
		if _, err := Decode(orders, seal(raw)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("error: %v", err)
		}
	})
}
