package resume

import "encoding/binary"

// Room says how many more offsets may be read, so that a state of limit bytes tells of all that
// finish, in whatever order. So far span offsets were read above the committed one, of which holes
// are not finished. A bitmap has a bit for each offset; where few are unfinished, their distances
// are shorter. 0 or less: none.
func Room(limit int, span int64, holes int) int64 {
	const header = digestSize + 16 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + checksumSize
	const section = 8 // its type and length, and the beginning of a segment
	bytes := int64(encoding.DecodedLen(max(0, limit-len(prefix))) - header - section)
	dense := bytes*8 - span
	sparse := bytes/int64(1+uvarintLen(uint64(max(span, 1)))) - int64(holes)
	return max(dense, sparse)
}
