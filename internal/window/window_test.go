package window_test

import (
	"slices"
	"testing"

	"github.com/laneway-go/laneway/internal/window"
	"pgregory.net/rapid"
)

type item struct{ seq, n int }

// TestWindow compares the window with a sorted slice.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window.Window[item]
		var model []item
		base := rapid.IntRange(0, 1<<40).Draw(t, "base")
		spread := rapid.SampledFrom([]int{3, 100, 5000}).Draw(t, "spread")
		for n := range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3, 4:
				it := item{base + rapid.IntRange(0, spread).Draw(t, "seq"), n}
				*w.Add(int64(it.seq)) = it
				model = append(model, it)
				slices.SortStableFunc(model, func(a, b item) int { return a.seq - b.seq })
			case 5, 6, 7:
				if len(model) > 0 {
					w.Pop()
					model = model[1:]
				}
			case 8:
				base += rapid.IntRange(0, 50).Draw(t, "on")
			case 9:
				odd := func(it *item) bool { return it.n%3 == 0 }
				w.DeleteFunc(odd)
				model = slices.DeleteFunc(model, func(it item) bool { return odd(&it) })
			}
			var got []item
			for it := range w.All {
				got = append(got, *it)
			}
			if w.Len() != len(model) || !slices.EqualFunc(got, model, func(a, b item) bool { return a == b }) {
				t.Fatalf("%v, want %v", got, model)
			}
			if first := w.First(); (first != nil) != (len(model) > 0) || first != nil && *first != model[0] {
				t.Fatalf("first %v of %v", first, model)
			}
		}
	})
}
