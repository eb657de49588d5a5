package resume

import "encoding/binary"

// Room returns how many more offsets may be read so that a state of limit bytes can describe all
// finished ones, in any order; 0 or less: none. So far, span offsets above the committed one were
// read, and holes of them are unfinished. A bitmap has one bit per offset; if few are unfinished,
// their distances are shorter.
//
// reserved bytes are kept for halts: see Reserve. If there are halts, a part of what is read may
// halt too: of one record in eight.
func Room(limit int, span int64, holes int, reserved int64, halts bool) int64 {
	const header = digestSize + 16 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + checksumSize
	const section = 8 // its type and length, and the start of a segment
	bytes := int64(encoding.DecodedLen(max(0, limit-len(prefix)))-header-section) - reserved
	dense := bytes*8 - span
	wide := int64(1 + uvarintLen(uint64(max(span, 1))))
	sparse := bytes/wide - int64(holes)
	room := max(dense, sparse)
	if halts {
		room = min(room, max(dense/8, sparse*wide)*8/laneEntry)
	}
	return room
}

// The bytes of a halt in a state, at most, if its offset and its time are near those before it.
const (
	recordEntry = 3 + 1 + 2 // offset, row and time
	laneEntry   = recordEntry - 1 + int64(len(LaneID{}))
)

// Reserve returns how many bytes of a state are kept for halts: for those that there are, without
// their texts, and for one more of another step.
func Reserve(lanes, others int) int64 {
	const row = 2 + 1 + 1 + 4*len(Build{}) + 1 + stepMax + 1 // see haltTable
	return 4 + 2*int64(row) + int64(lanes)*laneEntry + int64(others)*recordEntry
}
