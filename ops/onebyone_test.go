package ops_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
)

func TestOneByOne(t *testing.T) {
	bad := errors.New("bad")
	for _, c := range []struct {
		name  string
		fails func(batch []int) error
		want  map[int]error // of the batch 0, 1, 2, 3
		calls string
	}{
		{"what succeeds is called once", func([]int) error { return nil }, nil, "[[0 1 2 3]]"},
		{"names who fails alone", func(b []int) error {
			if slices.Contains(b, 2) {
				return bad
			}
			return nil
		}, map[int]error{2: bad}, "[[0 1 2 3] [0] [1] [2] [3]]"},
		{"blames nobody who succeeds alone", func(b []int) error {
			if len(b) > 1 {
				return bad
			}
			return nil
		}, nil, "[[0 1 2 3] [0] [1] [2] [3]]"},
		{"ends where the whole fails", func(b []int) error {
			if len(b) > 1 || b[0] == 0 {
				return bad
			} else if b[0] == 2 {
				return context.DeadlineExceeded
			}
			return nil
		}, map[int]error{0: bad, 2: context.DeadlineExceeded, 3: context.DeadlineExceeded}, "[[0 1 2 3] [0] [1] [2]]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls [][]int
			err := ops.OneByOne(func(_ context.Context, b []int) error {
				calls = append(calls, slices.Clone(b))
				return c.fails(b)
			})(t.Context(), []int{0, 1, 2, 3})
			if fmt.Sprint(calls) != c.calls {
				t.Errorf("calls: %v, want %s", calls, c.calls)
			}
			var partial *stream.PartialError
			switch errors.As(err, &partial); {
			case c.want == nil && err == nil:
			case partial == nil || fmt.Sprint(partial.Errs) != fmt.Sprint(c.want):
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	for _, err := range []error{stream.Whole(bad), &stream.PartialError{Errs: map[int]error{1: bad}}, context.Canceled} {
		calls := 0
		got := ops.OneByOne(func(context.Context, []int) error { calls++; return err })(t.Context(), []int{0, 1})
		if calls != 1 || got != err {
			t.Errorf("%v: %v after %d calls", err, got, calls)
		}
	}
}
