package resume

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// Aside is a lane that was set aside: its records from an offset on are unfinished, also where runs
// say otherwise. A state has one of a lane.
type Aside struct {
	Lane LaneID
	From int64
}

func (a Aside) compare(b Aside) int {
	return cmp.Or(cmp.Compare(a.From, b.From), slices.Compare(a.Lane[:], b.Lane[:]))
}

// appendAsides appends the section of lanes that were set aside and have no halt that says so: for
// each, in ascending order of their offsets, the distance from the offset before it, and the lane.
func appendAsides(raw []byte, offset int64, all []Aside) []byte {
	if len(all) == 0 {
		return raw
	}
	body := make([]byte, 0, len(all)*(len(LaneID{})+2))
	at := offset
	for _, a := range all {
		body = binary.AppendUvarint(body, uint64(a.From-at))
		body = append(body, a.Lane[:]...)
		at = a.From
	}
	return appendSection(raw, sectionAsides, body)
}

func decodeAsides(offset int64, body buffer) (all []Aside, ok bool) {
	for at := offset; len(body) > 0; {
		further, is := body.uvarint()
		id, whole := body.next(uint64(len(LaneID{})))
		if !is || !whole || further > uint64(math.MaxInt64-at) {
			return nil, false
		}
		at += int64(further)
		all = append(all, Aside{LaneID(id), at})
	}
	return all, true
}

// joinAsides returns lanes of two sections in order. It fails if one is there twice.
func joinAsides(a, b []Aside) (all []Aside, ok bool) {
	if all = append(a, b...); len(all) == 0 {
		return nil, true
	}
	seen := make(map[LaneID]bool, len(all))
	for _, is := range all {
		if seen[is.Lane] {
			return nil, false
		}
		seen[is.Lane] = true
	}
	slices.SortFunc(all, Aside.compare)
	return all, true
}
