package main

import (
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
