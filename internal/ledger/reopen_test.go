package ledger

import (
	"sync/atomic"
	"testing"

	"github.com/sourcegraph/conc"
)

// The watermark is read at any time. A record that is reopened must not look finished for a moment.
func TestReopen(t *testing.T) {
	l := &Ledger{Rest: func() {}}
	s := NewSlab(1, 1, 0, nil)
	l.Append(s)
	var stop atomic.Bool
	var wg conc.WaitGroup
	highest := int64(0)
	wg.Go(func() {
		for !stop.Load() {
			highest = max(highest, l.Watermark())
		}
	})
	for range 200_000 {
		s.Abandon(0)
		s.Reopen(0)
	}
	stop.Store(true)
	wg.Wait()
	if highest != 0 {
		t.Errorf("the watermark was %d, but nothing is finished", highest)
	}
	s.Done(0)
	if got := l.Watermark(); got != 1 {
		t.Errorf("the watermark is %d after the record finished, want 1", got)
	}
}

func TestWatermark(t *testing.T) {
	l := &Ledger{Rest: func() {}}
	l.Start(10)
	s := NewSlab(3, 20, 300, nil)
	for i, offset := range []int64{10, 12, 15} { // offsets have gaps
		s.SetOffset(i, offset)
	}
	l.Append(s)
	for _, step := range []struct{ done, want int64 }{{1, 10}, {0, 13}, {2, 20}} {
		s.Done(int32(step.done))
		if got := l.Watermark(); got != step.want {
			t.Errorf("the watermark is %d after ticket %d, want %d", got, step.done, step.want)
		}
	}
	if n, bytes := l.Held(); n != 0 || bytes != 0 {
		t.Errorf("%d records and %d bytes are held", n, bytes)
	}
	l.Advance(25)
	if got := l.Watermark(); got != 25 {
		t.Errorf("the watermark of an empty ledger advanced to 25 is %d", got)
	}
}

func TestWatchedIsCalledBeforeTheTicketSettles(t *testing.T) {
	called := false
	l := &Ledger{Rest: func() {}}
	l.Watched = func(tk *Ticket, finished bool) {
		if called = true; tk.Held() || tk.AtRest() {
			t.Errorf("in Watched: held %t, settled %t", tk.Held(), tk.AtRest())
		}
	}
	s := NewSlab(1, 1, 0, nil)
	l.Append(s)
	tk := &s.Tickets[0]
	tk.Watch()
	s.Done(0)
	if !called || !tk.AtRest() {
		t.Errorf("called %t, settled %t", called, tk.AtRest())
	}
}
