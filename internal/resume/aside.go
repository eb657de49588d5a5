package resume

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// Aside is a lane that was set aside: its records from an offset on are unfinished, also where runs
// say otherwise.
type Aside struct {
	Lane LaneID
	From int64
}

// appendAsides appends the section of lanes that were set aside: for each, in ascending order of
// their offsets, the distance from the offset before it, and the lane.
func appendAsides(raw []byte, offset int64, all []Aside) []byte {
	if len(all) == 0 {
		return raw
	}
	var body []byte
	at := offset
	for _, a := range slices.SortedFunc(slices.Values(all), func(a, b Aside) int { return cmp.Compare(a.From, b.From) }) {
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
