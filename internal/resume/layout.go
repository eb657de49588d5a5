package resume

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// A record that halted is unfinished. So runs span it where its halt is stored: a record in twenty
// that halts costs no run.
//
// A lane that was set aside is told of by its halt if that is stored, and in a section otherwise.
// To cut a halt moves its lane to the section, and adds a hole to the runs. The lane's id moves
// along, and what is left of the entry mostly takes no less than that hole and a distance in the
// section. Where lanes are far apart it may take a few bytes less. So cutting halts makes room in
// the end, but a search for how many fit may find fewer than do.

// arranged is a state in the order in which it is encoded.
type arranged struct {
	offset int64
	runs   []Run
	halts  []placed
	asides []Aside
	in     []int // of each of asides: the halt that tells of it; len(halts): none
}

// layout is the sections of a state, but for those that are cut first.
type layout struct {
	finished, asides, halts []byte
	kept                    []placed
	end                     int64 // see Encode
}

func arrange(offset int64, s State) *arranged {
	a := &arranged{offset: offset, runs: s.Finished, halts: make([]placed, len(s.Halts)), asides: s.Asides}
	for i := range s.Halts {
		a.halts[i] = placed{Halt: &s.Halts[i], from: -1}
	}
	slices.SortStableFunc(a.halts, func(a, b placed) int { return cmp.Compare(a.Offset, b.Offset) })
	a.finishedHalts()
	a.asidesIntoHalts()
	return a
}

// finishedHalts finds the halts whose record has finished.
func (a *arranged) finishedHalts() {
	runs := a.runs
	for i := range a.halts {
		h := &a.halts[i]
		for len(runs) > 0 && runs[0].To <= h.Offset {
			runs = runs[1:]
		}
		h.finished = h.hole() && len(runs) > 0 && runs[0].From <= h.Offset
	}
}

// asidesIntoHalts finds a halt for each lane that was set aside.
func (a *arranged) asidesIntoHalts() {
	if len(a.asides) == 0 {
		return
	}
	a.in = make([]int, len(a.asides))
	by := make(map[LaneID]int, len(a.asides))
	for i, is := range a.asides {
		a.in[i], by[is.Lane] = len(a.halts), i
	}
	for i := range a.halts {
		h := &a.halts[i]
		if h.Scope != Lane {
			continue
		}
		if k, is := by[h.Lane]; is && a.in[k] == len(a.halts) && a.asides[k].From >= h.Offset {
			a.in[k], h.from = i, a.asides[k].From
		}
	}
}

// fit lays a state out in room bytes. It shortens errors, then leaves them out, then cuts the
// halts of the highest offsets, and runs last. ok is false if not even the lanes that were set
// aside fit.
func (a *arranged) fit(room int) (l layout, ok bool) {
	n := len(a.halts)
	for _, most := range []int{textMax, textLess, 0} {
		if l, ok = a.lay(n, most, room); ok || n == 0 {
			break
		}
	}
	if !ok && n > 0 {
		n = sort.Search(n, func(i int) bool {
			_, ok := a.lay(i+1, 0, room)
			return !ok
		})
		l, _ = a.lay(n, 0, room)
	}
	return l, len(l.asides) <= room
}

// lay lays a state out with the first n halts. ok is false if it does not fit into room bytes; then
// runs are cut.
func (a *arranged) lay(n, most, room int) (l layout, ok bool) {
	l.kept, l.end = a.halts[:n], math.MaxInt64
	if n > 0 {
		l.halts = appendSection(nil, sectionHalts, a.table(n, most).body())
	}
	l.asides = appendAsides(nil, a.offset, a.left(n))
	room -= len(l.halts) + len(l.asides)
	runs := spanned(a.runs, l.kept)
	if len(runs) == 0 {
		return l, room >= 0
	}
	section, kept := encodeRuns(a.offset, runs, room-1-uvarintLen(uint64(max(room, 0))))
	if kept > 0 {
		l.finished, l.end = appendSection(nil, sectionFinished, section), runs[kept-1].To
	} else {
		l.end = a.offset
	}
	if kept < len(runs) {
		return l, false
	}
	l.end = math.MaxInt64
	return l, room >= 0
}

// table returns the section of the first n halts.
func (a *arranged) table(n, most int) *haltTable {
	t := newHaltTable(a.offset, most)
	for _, h := range a.halts[:n] {
		t.add(h)
	}
	return t
}

// left returns the lanes that none of the first n halts tells of, in order.
func (a *arranged) left(n int) []Aside {
	var left []Aside
	for i, is := range a.asides {
		if a.in[i] >= n {
			left = append(left, is)
		}
	}
	slices.SortFunc(left, Aside.compare)
	return left
}

// spanned returns runs that also span the records of halts, where all between two runs are such.
func spanned(runs []Run, halts []placed) []Run {
	if len(halts) == 0 || len(runs) == 0 {
		return runs
	}
	all := append(make([]Run, 0, len(runs)), runs[0])
	for _, r := range runs[1:] {
		last := &all[len(all)-1]
		at := last.To
		for len(halts) > 0 && at < r.From && halts[0].Offset <= at {
			if halts[0].Offset == at && halts[0].hole() {
				at++
			}
			halts = halts[1:]
		}
		if at == r.From {
			last.To = r.To
		} else {
			all = append(all, r)
		}
	}
	return all
}

// punched returns runs without the records of halts, whose offsets ascend.
func punched(runs []Run, holes []int64) []Run {
	if len(holes) == 0 || len(runs) == 0 {
		return runs
	}
	left := make([]Run, 0, len(runs)+len(holes))
	for _, r := range runs {
		for len(holes) > 0 && holes[0] < r.To {
			if at := holes[0]; at >= r.From {
				if r.From < at {
					left = append(left, Run{r.From, at})
				}
				r.From = at + 1
			}
			holes = holes[1:]
		}
		if r.From < r.To {
			left = append(left, r)
		}
	}
	return left
}
