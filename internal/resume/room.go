package resume

import "encoding/binary"

// Room returns how many more offsets may be read so that a state of limit bytes can describe all
// finished ones, in any order; 0 or less: none. So far, span offsets above the committed one were
// read, and holes of them are unfinished. A bitmap has one bit per offset; if few are unfinished,
// their distances are shorter.
func Room(limit int, span int64, holes int) int64 {
	const header = digestSize + 16 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + checksumSize
	const section = 8 // its type and length, and the start of a segment
	bytes := int64(encoding.DecodedLen(max(0, limit-len(prefix))) - header - section)
	dense := bytes*8 - span
	sparse := bytes/int64(1+uvarintLen(uint64(max(span, 1)))) - int64(holes)
	return max(dense, sparse)
}
