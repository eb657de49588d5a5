package fifo_test

import (
	"slices"
	"testing"

	"github.com/laneway-go/laneway/internal/fifo"
	"pgregory.net/rapid"
)

// TestQueue compares the queue with a slice.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo.Queue[int]
		var model, taken []int
		for n := range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"push", "push", "pop", "popN", "unpop", "delete"}).Draw(t, "step") {
			case "push":
				for i := range rapid.IntRange(1, 5).Draw(t, "n") {
					q.Push(n*10 + i)
					model = append(model, n*10+i)
				}
			case "pop":
				if len(model) > 0 {
					if v := q.Pop(); v != model[0] {
						t.Fatalf("popped %d, want %d", v, model[0])
					}
					taken, model = model[:1:1], model[1:]
				}
			case "popN":
				k := min(rapid.IntRange(0, 6).Draw(t, "k"), len(model))
				if got := q.PopN(k); !slices.Equal(got, model[:k]) {
					t.Fatalf("popped %v, want %v", got, model[:k])
				}
				taken, model = slices.Clone(model[:k]), model[k:]
			case "unpop":
				q.Unpop(taken)
				model, taken = slices.Concat(taken, model), nil
			case "delete":
				odd := func(v int) bool { return v%3 == 0 }
				q.DeleteFunc(odd)
				model, taken = slices.DeleteFunc(slices.Clone(model), odd), nil
			}
			if !slices.Equal(q.Items(), model) || q.Empty() != (len(model) == 0) {
				t.Fatalf("%v, want %v", q.Items(), model)
			}
			if len(model) > 0 && q.First() != model[0] {
				t.Fatalf("first %d, want %d", q.First(), model[0])
			}
		}
	})
}
