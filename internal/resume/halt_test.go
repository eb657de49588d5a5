package resume

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestHalts(t *testing.T) {
	halts := []Halt{
		{Offset: orders.Offset, Last: orders.Offset, Attempts: 15, Since: 1_790_000_000, Step: "charge", Key: "bob", Error: "no such account",
			Builds: []Build{BuildOf("v1"), BuildOf("v2")}},
		{Offset: orders.Offset + 300, Last: orders.Offset + 319, Joined: true, Attempts: 1, Since: 1, ResumeAt: 1_790_000_060},
		{Scope: Lane, Offset: orders.Offset + 400, Last: orders.Offset + 400, Key: "alice", Error: "no such account"},
		{Scope: Record, Offset: orders.Offset + 401, Last: orders.Offset + 401, Error: "boom"},
	}
	finished := []Run{{orders.Offset + 1, orders.Offset + 200}}
	// known reports whether h is one of halts, perhaps without its texts. A lane keeps its key.
	known := func(h Halt) bool {
		return slices.ContainsFunc(halts, func(is Halt) bool {
			short := is
			if short.Error = ""; is.Scope != Lane {
				short.Key, short.KeyCut = "", is.Key != ""
			}
			return reflect.DeepEqual(h, is) || reflect.DeepEqual(h, short)
		})
	}
	whole, _ := Encode(orders, State{Finished: finished, Halts: halts}, 4096)
	for limit := range len(whole) + 1 {
		state, end := Encode(orders, State{Finished: finished, Halts: halts}, limit)
		if len(state) > limit {
			t.Fatalf("a state of %d bytes, limit %d", len(state), limit)
		}
		if state == "" {
			continue
		}
		got, err := Decode(orders, state)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(got.Halts) == 0: // left out before any run
		case end != math.MaxInt64:
			t.Errorf("at %d bytes, runs were cut although halts were kept", limit)
		case slices.ContainsFunc(got.Halts, func(h Halt) bool { return !known(h) }):
			t.Errorf("at %d bytes: %+v", limit, got.Halts)
		}
		if limit == len(whole) && !reflect.DeepEqual(got, State{Finished: finished, Halts: halts}) {
			t.Errorf("got %+v", got)
		}
	}
	long := Halt{Scope: Lane, Offset: orders.Offset, Last: orders.Offset, Step: strings.Repeat("s", 1000), Key: strings.Repeat("k", 1000), Error: strings.Repeat("e", 1000)}
	state, _ := Encode(orders, State{Halts: []Halt{long}}, 4096)
	if got, err := Decode(orders, state); err != nil || len(got.Halts[0].Error) != textMax || len(got.Halts[0].Step) != stepMax || !got.Halts[0].KeyCut {
		t.Errorf("got %+v, %v", got, err)
	}
	for n := range len(whole) {
		if _, err := Decode(orders, whole[:n]); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("truncated at %d: %v", n, err)
		}
	}
}
