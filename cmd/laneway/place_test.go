package main

import "testing"

func TestPlace(t *testing.T) {
	for text, want := range map[string]place{
		"orders[3]":    {"", "orders", 3},
		"orders/3":     {"", "orders", 3},
		"eu/orders[3]": {"eu", "orders", 3},
		"eu/orders/3":  {"eu", "orders", 3},
	} {
		got, err := parsePlace(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		for _, again := range []string{got.String(), got.slashed()} {
			if same, err := parsePlace(again); err != nil || same != want {
				t.Errorf("%s: %+v, %v", again, same, err)
			}
		}
	}
	for _, text := range []string{"", "orders", "orders[", "orders[]", "orders[-1]", "[3]", "/3", "orders/", "orders/x", "/orders/3", "3"} {
		if got, err := parsePlace(text); exitCode(err) != exitUsage {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
