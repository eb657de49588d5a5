package ledger

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// rapid's default is too low to find races
	if f := flag.Lookup("rapid.checks"); f.Value.String() == "100" {
		_ = f.Value.Set("3000")
	}
	goleak.VerifyTestMain(m)
}

// The watermark is the end of the finished prefix, in whatever order tickets settle.
func TestLedgerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		script := rapid.SliceOfN(rapid.Byte(), 0, 120).Draw(t, "script")
		for _, outOfOrder := range []bool{false, true} {
			if err := play(script, outOfOrder); err != nil {
				t.Fatalf("out of order %t: %v", outOfOrder, err)
			}
		}
	})
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{16, 2, 2, 3, 6, 2, 7, 1, 8})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, outOfOrder := range []bool{false, true} {
			if err := play(script, outOfOrder); err != nil {
				t.Fatalf("out of order %t: %v", outOfOrder, err)
			}
		}
	})
}

// modelRecord is a record in the model.
type modelRecord struct {
	s         *Slab
	i         int32
	t         *Ticket
	next      int64 // position after it, gaps included
	holds     int
	abandoned bool
	watched   bool
}

func (r *modelRecord) finished() bool { return r.holds == 0 && !r.abandoned }

// modelLedger is a naive ledger that keeps every record and visits all of them.
type modelLedger struct {
	l        Ledger
	records  []*modelRecord
	start    int64
	next     int64
	finished int // calls of Finished
	forgot   map[any]int
	watched  []bool // results passed to Watched
	expected []bool
}

// play runs a script, one byte per operation, and compares after each.
func play(script []byte, outOfOrder bool) error {
	m := &modelLedger{start: 5, next: 5, forgot: map[any]int{}}
	m.l.OutOfOrder = outOfOrder
	m.l.Forget = func(payload any) { m.forgot[payload]++ }
	m.l.Start(5)
	m.l.Rest = func() {}
	m.l.Finished = func() { m.finished++ }
	m.l.Watched = func(_ *Ticket, ok bool) { m.watched = append(m.watched, ok) }
	ended := 0
	for at, b := range script {
		arg := int(b >> 4)
		if r := m.pick(arg); r == nil || b%16 < 2 {
			m.grow(b%16 == 1, arg)
		} else if m.do(int(b%16), r) {
			ended++
		}
		if err := m.compare(ended); err != nil {
			return fmt.Errorf("after %d of % x: %w", at+1, script, err)
		}
	}
	return nil
}

// pick returns one of the newest records.
func (m *modelLedger) pick(n int) *modelRecord {
	if len(m.records) == 0 {
		return nil
	}
	return m.records[len(m.records)-1-n%min(len(m.records), 12)]
}

// grow appends a slab, or moves the position over a gap.
func (m *modelLedger) grow(gap bool, arg int) {
	if gap {
		m.next += int64(arg % 3)
		m.l.Advance(m.next)
		if len(m.records) == 0 {
			m.start = m.next
		} else {
			m.records[len(m.records)-1].next = m.next
		}
		return
	}
	n := 1 + arg%4
	end := m.next + int64(2*n)
	s := NewSlab(n, end, 1, len(m.records)) // the payload is the index of its first record
	for i := range n {
		off := m.next + int64(2*i)
		s.SetOffset(i, off)
		m.records = append(m.records, &modelRecord{s: s, i: int32(i), t: &s.Tickets[i], next: off + 1, holds: 1})
	}
	m.records[len(m.records)-1].next = end
	m.next = end
	m.l.Append(s)
}

// do runs one operation on a record, and reports whether the record finished.
func (m *modelLedger) do(op int, r *modelRecord) bool {
	switch {
	case r.holds > 0 && op < 4:
		r.t.Retain()
		r.holds++
	case r.holds > 0 && op == 4:
		r.t.Watch()
		r.watched = true
	case r.holds > 0:
		if op < 8 {
			r.abandoned = true
		}
		r.holds--
		if r.holds == 0 && r.watched {
			m.expected, r.watched = append(m.expected, !r.abandoned), false
		}
		if op < 8 {
			r.s.Abandon(r.i)
		} else {
			r.s.Done(r.i)
		}
		return r.finished()
	case r.abandoned && op < 12:
		r.s.Reopen(r.i)
		r.holds, r.abandoned = 1, false
	case r.abandoned:
		r.s.Finish(r.i)
		r.abandoned = false
		return true
	}
	return false
}

func (m *modelLedger) compare(ended int) error {
	mark, rest := m.start, true
	var unfinished []*Ticket
	prefix := true
	for i, r := range m.records {
		rest = rest && r.holds == 0
		if !r.finished() {
			prefix = false
			unfinished = append(unfinished, r.t)
		}
		if prefix {
			mark = r.s.Offset(int(r.i)) + 1
			if end := i+1 == len(m.records) || m.records[i+1].s != r.s; end {
				mark = r.next // after a whole slab, gaps count
			}
		}
	}
	if got := m.l.Watermark(); got != mark {
		return fmt.Errorf("the watermark is %d, the model's is %d", got, mark)
	}
	if got := m.l.AtRest(); got != rest {
		return fmt.Errorf("settled: %v, the model says %v", got, rest)
	}
	n := 0
	for s, i := range m.l.Unfinished {
		if n >= len(unfinished) || unfinished[n] != &s.Tickets[i] {
			return fmt.Errorf("unfinished: offset %d at index %d, the model has %d of them", s.Offset(i), n, len(unfinished))
		}
		n++
	}
	if n != len(unfinished) {
		return fmt.Errorf("%d unfinished, but %d in the model", n, len(unfinished))
	}
	held, _ := m.l.Held()
	if want := m.held(mark); held != want {
		return fmt.Errorf("%d records held, but %d in the model; %d of %d are unfinished", held, want, len(unfinished), len(m.records))
	}
	if got, left := m.l.Count(); int(got) != len(m.records)-len(unfinished) || left != len(unfinished) {
		return fmt.Errorf("%d are finished and %d are not, but %d of %d are unfinished in the model", got, left, len(unfinished), len(m.records))
	}
	if got := m.l.Span(); len(m.records) > 0 && got != m.next-mark {
		return fmt.Errorf("the span is %d, the model's is %d", got, m.next-mark)
	}
	if err := m.compareHoles(mark); err != nil {
		return err
	}
	if m.finished != ended {
		return fmt.Errorf("Finished was called %d times for %d records", m.finished, ended)
	}
	if fmt.Sprint(m.watched) != fmt.Sprint(m.expected) {
		return fmt.Errorf("Watched got %v, the model %v", m.watched, m.expected)
	}
	return nil
}

// held returns the number of records in slabs that are not released. A slab is released once its
// records are finished and, in order, the records before it are.
func (m *modelLedger) held(mark int64) (n int) {
	for i := 0; i < len(m.records); {
		s, first, finished := m.records[i].s, i, true
		for ; i < len(m.records) && m.records[i].s == s; i++ {
			finished = finished && m.records[i].finished()
		}
		if !finished || !m.l.OutOfOrder && s.Offset(0) >= mark {
			n += i - first
		}
		if want := 1; finished && m.forgot[first] != want && (m.l.OutOfOrder || s.Offset(0) < mark) || !finished && m.forgot[first] != 0 {
			return -1 // forgotten too often, too early, or not at all
		}
	}
	return n
}

func (m *modelLedger) compareHoles(mark int64) error {
	got, finished, holes, end := m.l.Holes(nil)
	var want []int64
	idle := 0
	for _, r := range m.records {
		if r.t.Idle() != (r.holds == 0 && r.abandoned) {
			return fmt.Errorf("a record with %d holds is idle: %t", r.holds, r.t.Idle())
		}
		if r.t.Idle() {
			idle++
		}
		if !r.finished() {
			want = append(want, r.s.Offset(int(r.i)))
		}
	}
	if n, _ := m.l.Idle(); n != idle {
		return fmt.Errorf("%d are idle, in the model %d", n, idle)
	}
	if got != mark || end != m.next || !slices.Equal(holes, want) || int(finished) != len(m.records)-len(want) {
		return fmt.Errorf("holes %v from %d to %d, %d finished; but %v from %d to %d in the model", holes, got, end, finished, want, mark, m.next)
	}
	return nil
}

// Continuing could commit an unfinished record.
func TestDoneTwicePanics(t *testing.T) {
	l := &Ledger{Rest: func() {}}
	s := NewSlab(1, 1, 0, nil)
	l.Append(s)
	s.Done(0)
	defer func() {
		if recover() == nil {
			t.Error("the second Done did not panic")
		}
	}()
	s.Done(0)
}
