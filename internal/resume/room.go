package resume

import (
	"encoding/binary"
	"math"
)

// Room returns how many more offsets may be read so that a state of limit bytes can describe all
// finished ones, in any order; 0 or less: none. So far, span offsets above the committed one were
// read, and holes of them are unfinished.
//
// A bitmap has one bit per offset. If few are unfinished, their distances are shorter: two for each
// hole, which have more than a byte only where they are wide, and all of them sum up to the span.
//
// reserved bytes are kept for halts: see Reserve. Of the records that are in flight and of those
// that are read, one in eight may halt too; a negative inFlight says that none will.
func Room(limit int, span int64, holes int, reserved int64, inFlight int) int64 {
	bytes := stateRoom(limit) - reserved
	wide := int64(1 + uvarintLen(uint64(max(span, 1))))
	left := max(bytes-span/8, bytes-wide*int64(holes), bytes-2*int64(holes)-wideSpan(span))
	room := max(bytes*8-span, bytes/wide-int64(holes), (bytes-2*int64(holes)-wideSpan(span))*127/255)
	if inFlight >= 0 {
		room = min(room, left*8/(laneEntry+rowEntry)-int64(inFlight))
	}
	return room
}

// wideSpan returns how many distances that sum up to span may have a second byte, or a third.
func wideSpan(span int64) int64 { return span/127 + 1 }

// stateRoom returns how many bytes of a state are for its sections.
func stateRoom(limit int) int64 {
	const header = digestSize + 16 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + checksumSize
	const section = 8 // its type and length, and the start of a segment
	return int64(encoding.DecodedLen(max(0, limit-len(prefix))) - header - section)
}

// The bytes of a parked lane in a state, if its offset and its time are near those before it.
const (
	laneEntry = 1 + 2 + int64(len(LaneID{})) + 1 // distance, time, lane, and that it is not set aside
	rowEntry  = 1                                // if its row is another one than before
)

// Lanes returns about how many lanes that are parked and set aside are in a state of limit bytes.
func Lanes(limit int) int {
	const far = 2 // bytes more of the distance to where it is set aside
	return int(max(0, stateRoom(limit)-reserved)/(laneEntry+far)) / 10 * 10
}

// reserved is the bytes of a state that are kept for one more row of halts, a large one, and for
// the type and length of their section.
const reserved = 2 + 1 + 1 + 4*int64(len(Build{})) + 1 + stepMax + 1 + 4

// Reserved is what a state keeps for its halts, without keys and errors, and for its lanes that
// were set aside. Runs span the records of halts, so Room is to know of fewer holes.
type Reserved struct {
	Bytes int64
	Holes int   // so many holes are none, of halts whose record lies below an offset
	Runs  int   // the finished runs that are left
	Wide  int64 // bytes of these
}

// Reserve returns what a state of an offset is to keep for halts, lanes, and so many records of
// these lanes that are read again. Of what lies below end, Room knows.
func Reserve(offset, end int64, s State, again int) (r Reserved) {
	a := arrange(offset, s)
	n := len(a.halts)
	r.Bytes = reserved + int64(a.table(n, 0).size()+len(appendAsides(nil, offset, a.left(n))))
	if len(a.asides) > 0 {
		r.Bytes += 2 * int64(again)
	}
	last := int64(-1)
	for _, h := range a.halts {
		if h.hole() && h.Offset < end && h.Offset != last {
			r.Holes, last = r.Holes+1, h.Offset
		}
	}
	if runs := spanned(above(s.Finished, end), a.halts); len(runs) > 0 {
		section, _ := encodeRuns(offset, runs, math.MaxInt32)
		r.Runs, r.Wide = len(runs), int64(len(section))
	}
	return r
}

// above returns the parts of runs from an offset on.
func above(runs []Run, offset int64) (left []Run) {
	for _, r := range runs {
		if r.From = max(r.From, offset); r.From < r.To {
			left = append(left, r)
		}
	}
	return left
}

// Room returns how many more offsets may be read: see Room. A bitmap may have the finished runs
// too.
func (r Reserved) Room(limit int, span int64, holes, inFlight int) int64 {
	holes = max(0, holes-r.Holes)
	return max(Room(limit, span, holes+2*r.Runs, r.Bytes, inFlight), Room(limit, span, holes, r.Bytes+r.Wide, inFlight))
}
