package resume

import (
	"reflect"
	"strings"
	"testing"
)

func TestAttempts(t *testing.T) {
	attempts := []Attempts{{orders.Offset, "charge", 3}, {orders.Offset + 7, "mail", 1}, {orders.Offset + 900, "charge", 1_000_000}}
	full := State{Finished: []Run{{orders.Offset + 1, orders.Offset + 7}}, Halts: []Halt{{Offset: orders.Offset, Last: orders.Offset, Step: "charge"}}, Attempts: attempts}
	whole, _ := Encode(orders, full, 4096)
	if got, err := Decode(orders, whole); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("got %+v, %v", got, err)
	}
	without, _ := Encode(orders, State{Finished: full.Finished, Halts: full.Halts}, 4096)
	for limit := len(without); limit < len(whole); limit++ {
		state, _ := Encode(orders, full, limit)
		got, err := Decode(orders, state)
		if err != nil || len(state) > limit || len(got.Attempts) >= len(attempts) || !reflect.DeepEqual(got.Halts, full.Halts) {
			t.Errorf("at %d bytes: %d, %+v, %v", limit, len(state), got, err)
		}
		for i, a := range got.Attempts {
			if a != attempts[i] {
				t.Errorf("at %d bytes: %+v", limit, got.Attempts)
			}
		}
	}
	long := strings.Repeat("s", 1000)
	state, _ := Encode(orders, State{Attempts: []Attempts{{orders.Offset, long, 1}}}, 4096)
	if got, err := Decode(orders, state); err != nil || len(got.Attempts) != 1 || got.Attempts[0].Step != StepOf(long) {
		t.Errorf("got %+v, %v", got, err)
	}
}
