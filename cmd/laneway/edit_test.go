package main

import (
	"reflect"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/inspect"
	"github.com/laneway-go/laneway/internal/resume"
)

// Lanes that are set aside stay in a state that is edited, and no offset is stored past them.
func TestEditAside(t *testing.T) {
	aside := []resume.Aside{{Lane: resume.LaneOf([]byte("b")), From: 15}}
	halt := resume.Halt{Scope: resume.Lane, Offset: 10, Last: 10, Lane: aside[0].Lane, Step: "charge"}
	part := func(s resume.State) *storedPart {
		return &storedPart{Offset: inspect.Offset{Committed: 10, EpochEnd: -1}, state: s}
	}
	check := func(t *testing.T, e *edit, committed int64, finished ...resume.Run) {
		t.Helper()
		text, err := e.encode("cluster/group")
		if err != nil {
			t.Fatal(err)
		}
		got, err := resume.Decode(e.part.binding("cluster/group", e.committed), text)
		if err != nil || e.committed != committed || !slices.Equal(got.Finished, finished) || !slices.Equal(got.Asides, aside) || len(got.Halts) > 0 {
			t.Errorf("committed %d with %+v, %v", e.committed, got, err)
		}
	}
	s := resume.State{Finished: []resume.Run{{From: 11, To: 100}}, Asides: aside, Halts: []resume.Halt{halt}}
	t.Run("after a skip", func(t *testing.T) {
		p := part(s)
		e := newEdit(p)
		if err := e.skip(storedHalt{p, halt, ""}); err != nil {
			t.Fatal(err)
		}
		check(t, e, 15, resume.Run{From: 15, To: 100})
	})
	t.Run("after a resume", func(t *testing.T) {
		p := part(s)
		e := newEdit(p)
		e.retry(storedHalt{p, halt, ""})
		check(t, e, 10, resume.Run{From: 11, To: 100})
	})
	t.Run("unless the log was cut off below them", func(t *testing.T) {
		p := part(s)
		p.EpochEnd = 15
		if left := p.believed(s); len(left.Asides) > 0 || !slices.Equal(left.Finished, []resume.Run{{From: 11, To: 15}}) {
			t.Errorf("believed: %+v", left)
		}
	})
}

// A record may have several halts, such as one of each branch, and a partition may be paused too.
func TestEditSkipsOnce(t *testing.T) {
	one := resume.Halt{Scope: resume.Record, Offset: 10, Last: 10, Step: "charge"}
	other := resume.Halt{Scope: resume.Record, Offset: 10, Last: 10, Step: "notify"}
	above := resume.Halt{Scope: resume.Record, Offset: 12, Last: 12, Step: "charge"}
	again := resume.Halt{Scope: resume.Record, Offset: 12, Last: 12, Step: "notify"}
	batch := resume.Halt{Scope: resume.Partition, Offset: 10, Last: 13, Step: "write"}
	paused := resume.Halt{Scope: resume.Partition, Offset: 10, Last: 10, By: "olaf"}
	for name, c := range map[string]struct {
		finished []resume.Run
		halts    []resume.Halt
		skips    []resume.Halt
		at       int64
		left     []resume.Run
		stay     []resume.Halt
	}{
		"both halts of the first record": {nil, []resume.Halt{one, other}, []resume.Halt{one, other}, 11, nil, nil},
		"one of the two":                 {nil, []resume.Halt{one, other}, []resume.Halt{one}, 11, nil, nil},
		"both halts of a later record": {nil, []resume.Halt{above, again}, []resume.Halt{above, again}, 10,
			[]resume.Run{{From: 12, To: 13}}, nil},
		"one of a record that has finished": {[]resume.Run{{From: 11, To: 14}}, []resume.Halt{above}, []resume.Halt{above}, 10,
			[]resume.Run{{From: 11, To: 14}}, nil},
		"one of a paused partition": {[]resume.Run{{From: 11, To: 12}}, []resume.Halt{one, paused}, []resume.Halt{one}, 12, nil,
			[]resume.Halt{{Scope: resume.Partition, Offset: 12, Last: 12, By: "olaf"}}},
		"one beside a failed batch": {nil, []resume.Halt{one, batch}, []resume.Halt{one}, 11, nil,
			[]resume.Halt{{Scope: resume.Partition, Offset: 11, Last: 13, Step: "write"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &storedPart{Offset: inspect.Offset{Committed: 10, EpochEnd: -1}, state: resume.State{Finished: c.finished, Halts: c.halts}}
			e := newEdit(p)
			for _, h := range c.skips {
				if err := e.skip(storedHalt{p, h, ""}); err != nil {
					t.Fatal(err)
				}
			}
			text, err := e.encode("cluster/group")
			if err != nil {
				t.Fatal(err)
			}
			got, err := resume.Decode(p.binding("cluster/group", e.committed), text)
			if err != nil || e.committed != c.at || !slices.Equal(got.Finished, c.left) || !reflect.DeepEqual(got.Halts, c.stay) {
				t.Errorf("committed %d with %+v, %v", e.committed, got, err)
			}
		})
	}
}
