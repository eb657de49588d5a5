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
	at        int64 // its offset
	t         *Ticket
	next      int64 // position after it, gaps included
	payload   int   // of its slab
	replaced  bool  // its slab took the place of another
	gone      bool  // left out by Replace
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
	slabs    int   // the payload of the next one
	appended int64 // of these
	finished int   // calls of Finished
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
			m.newest().next = m.next
		}
		return
	}
	n := 1 + arg%4
	end := m.next + int64(2*n)
	m.slabs++
	s := NewSlab(n, end, 1, m.slabs)
	for i := range n {
		off := m.next + int64(2*i)
		s.SetOffset(i, off)
		m.records = append(m.records, &modelRecord{s: s, i: int32(i), at: off, t: &s.Tickets[i], next: off + 1, payload: m.slabs, holds: 1})
	}
	m.records[len(m.records)-1].next = end
	m.next = end
	m.appended++
	m.l.Append(s)
}

// newest returns the newest record that Replace has not left out.
func (m *modelLedger) newest() *modelRecord {
	for _, r := range slices.Backward(m.records) {
		if !r.gone {
			return r
		}
	}
	panic("all are gone")
}

// replace puts another slab in place of that of a record, if it is at rest and has unfinished ones.
func (m *modelLedger) replace(r *modelRecord) {
	old, payload := r.s, r.payload
	left := old.Idle()
	if len(left) == 0 {
		return
	}
	m.slabs++
	by := NewSlab(len(left), 0, 1, m.slabs)
	m.l.Replace(old, left, by)
	var last *modelRecord
	end := m.newestOf(old).next
	for _, o := range m.records {
		if o.s != old {
			continue
		}
		k, is := slices.BinarySearch(left, int(o.i))
		if !is {
			o.gone, o.s = true, nil
			continue
		}
		if last != nil {
			last.next = old.Offset(int(o.i))
		}
		o.s, o.i, o.t, o.payload, o.replaced, o.next = by, int32(k), &by.Tickets[k], m.slabs, true, end
		last = o
	}
	m.forgot[payload]-- // once
	if m.forgot[payload] == 0 {
		delete(m.forgot, payload)
	}
}

func (m *modelLedger) newestOf(s *Slab) (last *modelRecord) {
	for _, r := range m.records {
		if r.s == s {
			last = r
		}
	}
	return last
}

// do runs one operation on a record, and reports whether the record finished.
func (m *modelLedger) do(op int, r *modelRecord) bool {
	switch {
	case r.gone:
	case op == 15 && m.l.OutOfOrder:
		m.replace(r)
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
		r.s.ledger.CountFinished(1)
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
		switch end := i+1 == len(m.records) || m.records[i+1].s != r.s; {
		case !prefix:
		case !r.gone && end || r.replaced:
			mark = max(mark, r.next) // after a whole slab, gaps count
		default:
			mark = max(mark, r.at+1)
		}
	}
	if got := m.l.Watermark(); got != mark {
		return fmt.Errorf("the watermark is %d, the model's is %d", got, mark)
	}
	below := int64(0)
	for _, r := range m.records {
		if r.at < mark {
			below++
		}
	}
	if _, got := m.l.Prefix(); got != below {
		return fmt.Errorf("%d records are below the watermark %d, but %d in the model", got, mark, below)
	}
	if _, bytes, _, _ := m.l.Totals(); bytes != m.appended {
		return fmt.Errorf("%d bytes were appended, the model says %d", bytes, m.appended)
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
	held, bytes := m.l.Held()
	want, slabs := m.held(mark)
	if held != want {
		return fmt.Errorf("%d records held, but %d in the model; %d of %d are unfinished", held, want, len(unfinished), len(m.records))
	}
	if bytes != slabs { // each slab has one
		return fmt.Errorf("%d bytes held, but %d in the model", bytes, slabs)
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
func (m *modelLedger) held(mark int64) (n int, slabs int64) {
	for i := 0; i < len(m.records); {
		s, payload, finished, records := m.records[i].s, m.records[i].payload, true, 0
		if s == nil {
			i++
			continue
		}
		for ; i < len(m.records) && (m.records[i].s == s || m.records[i].gone); i++ {
			if !m.records[i].gone {
				finished = finished && m.records[i].finished()
				records++
			}
		}
		if !finished || !m.l.OutOfOrder && s.Offset(0) >= mark {
			n += records
			slabs++
		}
		if want := 1; finished && m.forgot[payload] != want && (m.l.OutOfOrder || s.Offset(0) < mark) || !finished && m.forgot[payload] != 0 {
			return -1, 0 // forgotten too often, too early, or not at all
		}
	}
	return n, slabs
}

// holesOf is Holes, each offset by itself.
func holesOf(l *Ledger) (mark, finished int64, offsets []int64, end int64) {
	mark, finished, holes, end := l.Holes(nil)
	for _, h := range holes {
		for at := h.From; at < h.To; at++ {
			offsets = append(offsets, at)
		}
	}
	return mark, finished, offsets, end
}

func (m *modelLedger) compareHoles(mark int64) error {
	got, finished, holes, end := holesOf(&m.l)
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
