package ledger

import (
	"sync/atomic"
	"testing"

	"github.com/sourcegraph/conc"
)

// The watermark is read at any time, also while a record that was given back is taken up again: it
// must not look finished for a moment.
func TestReopenedTicketIsNeverTakenForFinished(t *testing.T) {
	l := &Ledger{Rest: func() {}}
	s := NewSlab(1, 1, 0, nil)
	l.Append(s)
	var stop atomic.Bool
	var wg conc.WaitGroup
	seen := int64(0)
	wg.Go(func() {
		for !stop.Load() {
			seen = max(seen, l.Watermark())
		}
	})
	for range 200_000 {
		s.Abandon(0)
		s.Reopen(0)
	}
	stop.Store(true)
	wg.Wait()
	if seen != 0 {
		t.Errorf("the watermark was %d, and nothing is finished", seen)
	}
	s.Done(0)
	if got := l.Watermark(); got != 1 {
		t.Errorf("the watermark is %d when the record is finished", got)
	}
}

func TestWatermarkIsTheEndOfTheFinishedPrefix(t *testing.T) {
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
		t.Errorf("the watermark is %d behind an empty ledger that advanced to 25", got)
	}
}

func TestATicketIsAtRestWhenItsWatcherHasBeenTold(t *testing.T) {
	told := false
	l := &Ledger{Rest: func() {}}
	l.Watched = func(tk *Ticket, finished bool) {
		if told = true; tk.Held() || tk.AtRest() {
			t.Errorf("while it is told: held %t, at rest %t", tk.Held(), tk.AtRest())
		}
	}
	s := NewSlab(1, 1, 0, nil)
	l.Append(s)
	tk := &s.Tickets[0]
	tk.Watch()
	s.Done(0)
	if !told || !tk.AtRest() {
		t.Errorf("told %t, at rest %t", told, tk.AtRest())
	}
}
