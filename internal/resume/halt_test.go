package resume

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestHalts(t *testing.T) {
	alice := LaneOf([]byte("alice"))
	halts := []Halt{
		{Offset: orders.Offset, Last: orders.Offset, Attempts: 15, Since: 1_790_000_000, Step: "charge", Key: "bob", Error: "no such account",
			Builds: []Build{BuildOf("v1"), BuildOf("v2")}},
		{Offset: orders.Offset + 300, Last: orders.Offset + 319, Joined: true, Attempts: 1, Since: 1, ResumeAt: 1_790_000_060},
		{Scope: Lane, Offset: orders.Offset + 400, Last: orders.Offset + 400, Lane: alice, Key: "alice", Error: "no such account"},
		{Scope: Record, Offset: orders.Offset + 401, Last: orders.Offset + 401, Error: "boom"},
		{Offset: orders.Offset + 401, Last: orders.Offset + 401, Since: 1_790_000_000, By: "olaf"},
		{Scope: Lane, Offset: orders.Offset + 402, Last: orders.Offset + 402, Since: 1_790_000_000, ResumeAt: 1_790_000_060, Lane: alice, Key: "alice", By: "olaf"},
	}
	finished := []Run{{orders.Offset + 1, orders.Offset + 200}}
	// known reports whether h is one of halts, perhaps without its texts.
	known := func(h Halt) bool {
		return slices.ContainsFunc(halts, func(is Halt) bool {
			if h.Key == "" {
				is.Key = ""
			}
			if h.Error == "" {
				is.Error = ""
			}
			return reflect.DeepEqual(h, is)
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
	if got, err := Decode(orders, state); err != nil || len(got.Halts[0].Error) != textMax || got.Halts[0].Step != StepOf(long.Step) || got.Halts[0].Key != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	for n := range len(whole) {
		if _, err := Decode(orders, whole[:n]); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("truncated at %d: %v", n, err)
		}
	}
}

// 240 parked lanes, with a hole for each, are in a state of the default size.
func TestManyLanes(t *testing.T) {
	const lanes, limit = 240, 4096 - 37 // less what wire notes beside it
	for _, apart := range []int64{2, 40, 400} {
		var s State
		for i := range int64(lanes) {
			at := orders.Offset + i*apart
			key := fmt.Sprint("customer ", i)
			s.Halts = append(s.Halts, Halt{Scope: Lane, Offset: at, Last: at, Attempts: 3, Since: 1_790_000_000 + i*i%50, Builds: []Build{BuildOf("v1")},
				Step: "charge", Lane: LaneOf([]byte(key)), Key: key, Error: fmt.Sprint("no such account: ", key)})
			s.Finished = append(s.Finished, Run{at + 1, at + apart})
		}
		state, end := Encode(orders, s, limit)
		got, err := Decode(orders, state)
		if err != nil || end != math.MaxInt64 || len(got.Halts) != lanes {
			t.Fatalf("%d apart: %d of %d lanes, runs up to %d: %v", apart, len(got.Halts), lanes, end-orders.Offset, err)
		}
		with, _ := Encode(orders, State{Halts: s.Halts}, 1<<20)
		t.Logf("%d apart: %d characters, with all texts %d", apart, len(state), len(with))
	}
}

// Lane ids are the same in every process and build.
func TestLaneOf(t *testing.T) {
	for key, want := range map[string]string{"": "0000000000", "alice": "2bd806c97f"} {
		if got := fmt.Sprintf("%x", LaneOf([]byte(key))); got != want {
			t.Errorf("the lane of %q is %s, want %s", key, got, want)
		}
	}
	if got := fmt.Sprintf("%x", LaneOf(nil)); got != "e3b0c44298" {
		t.Errorf("the lane of no key is %s", got)
	}
}

// A state knows the step of a halt by its name, however long that is.
func TestStepOf(t *testing.T) {
	fits, long := strings.Repeat("s", stepMax), strings.Repeat("s", stepMax+1)
	if got := StepOf(fits); got != fits {
		t.Errorf("%q became %q", fits, got)
	}
	if a, b := StepOf(long), StepOf(long+"2"); len(a) != stepMax || len(b) != stepMax || a == b {
		t.Errorf("%q and %q", a, b)
	}
}
