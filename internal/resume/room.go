package resume

import "encoding/binary"

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
		room = min(room, left*8/laneEntry-int64(inFlight))
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

// The bytes of a halt in a state, if its offset and its time are near those before it.
const (
	recordEntry = 1 + 1 + 2 // offset, row and time
	laneEntry   = recordEntry + int64(len(LaneID{}))
)

// Lanes returns about how many parked lanes are in a state of limit bytes, with a hole for each.
func Lanes(limit int) int {
	const hole = 2
	return int(max(0, stateRoom(limit)-Reserve(0, 0, 0))/(laneEntry+hole)) / 10 * 10
}

// ReserveAsides returns how many bytes of a state are kept for lanes that were set aside within a
// span of offsets, and for records of them that are read again.
func ReserveAsides(lanes, again int, span int64) int64 {
	if lanes == 0 {
		return 0
	}
	return 4 + int64(lanes)*(1+int64(len(LaneID{}))) + wideSpan(span) + 2*int64(again)
}

// Reserve returns how many bytes of a state are kept for halts within a span of offsets, without
// their texts.
func Reserve(lanes, others int, span int64) int64 {
	const rows = 2 + 1 + 1 + 4*len(Build{}) + 1 + stepMax + 1 // one of the largest, or several: see haltTable
	return 4 + int64(rows) + int64(lanes)*laneEntry + int64(others)*recordEntry + wideSpan(span)
}
