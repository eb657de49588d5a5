package stream

import (
	"fmt"
	"testing"
)

// TestStatus asks every status every question: a row is a life, a column what has halted the
// partition.
func TestStatus(t *testing.T) {
	type row map[halted]bool
	all := func(yes bool) row {
		return row{notHalted: yes, byRecord: yes, byTransaction: yes, resuming: yes}
	}
	only := row{notHalted: true, byRecord: false, byTransaction: false, resuming: false}
	notByTransaction := row{notHalted: true, byRecord: true, byTransaction: false, resuming: true}
	no := all(false)
	questions := []struct {
		name string
		ask  func(status) bool
		want map[life]row
	}{
		{"feeds", status.feeds, map[life]row{open: only, draining: no, cancelled: no, released: no}},
		{"accepts", status.accepts, map[life]row{open: all(true), draining: no, cancelled: no, released: no}},
		{"begins", status.begins, map[life]row{open: only, draining: only, cancelled: no, released: no}},
		{"counts", status.counts, map[life]row{open: all(true), draining: all(true), cancelled: no, released: no}},
		{"waits", status.waits, map[life]row{open: only, draining: no, cancelled: no, released: no}},
		{"writes", status.writes, map[life]row{open: notByTransaction, draining: notByTransaction, cancelled: notByTransaction, released: no}},
	}
	for _, q := range questions {
		for l, halts := range q.want {
			for h, want := range halts {
				t.Run(fmt.Sprintf("%s/life %d, halted %d", q.name, l, h), func(t *testing.T) {
					s := status(0).withLife(l).withHalted(h)
					if s.life() != l || s.halted() != h {
						t.Fatalf("it is life %d, halted %d", s.life(), s.halted())
					}
					if got := q.ask(s); got != want {
						t.Errorf("%v, want %v", got, want)
					}
					// a source's halt only keeps the source from feeding
					atSource := want && q.name != "feeds"
					if got := q.ask(s | sourceHalted); got != atSource {
						t.Errorf("with the source halted: %v, want %v", got, atSource)
					}
					// nothing comes in before it is placed
					placing := want && q.name != "feeds" && q.name != "accepts"
					if got := q.ask(s | unplaced); got != placing {
						t.Errorf("before it was placed: %v, want %v", got, placing)
					}
				})
			}
		}
	}
	t.Run("life only rises", func(t *testing.T) {
		if s := status(0).withLife(released).withLife(draining); s.life() != released {
			t.Errorf("life %d", s.life())
		}
	})
}
