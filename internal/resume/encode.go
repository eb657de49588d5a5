package resume

import (
	"encoding/binary"
	"fmt"
)

// Encode encodes a state in at most limit bytes. The runs must ascend, not touch, and lie at or
// above b.Offset; otherwise it panics. Lanes that were set aside lie there too, and are never cut.
// If the state does not fit, it is cut: first keys, attempts and errors, then the halts of the
// highest offsets, then whole runs from the top. The state describes the offsets below end: the end
// of the last run kept, b.Offset if no run was kept, or math.MaxInt64 if none was cut. If not even
// a state without runs fits, the state is empty and end is b.Offset.
//
// A span of n offsets, finished in any order, adds at most n/8 + 8 bytes to a state without runs.
// Each byte takes 4/3 characters.
func Encode(b Binding, s State, limit int) (state string, end int64) {
	digest := b.digest()
	raw := append(make([]byte, 0, 256), digest[:]...)
	raw = append(raw, b.TopicID[:]...)
	raw = binary.AppendUvarint(raw, uint64(b.Partition))
	raw = binary.AppendUvarint(raw, uint64(b.Offset))
	most := encoding.DecodedLen(max(0, limit-len(prefix))) - checksumSize
	l, fits := arrange(b.Offset, s).fit(most - len(raw))
	if !fits || limit < len(prefix) {
		return "", b.Offset
	}
	raw = append(append(raw, l.finished...), l.asides...)
	raw = appendAttempts(raw, b.Offset, s.Attempts, most-len(l.halts))
	raw = append(raw, l.halts...)
	if keys := keys(l.kept, most-len(raw)-1); keys != nil {
		raw = appendSection(raw, sectionKeys, keys)
	}
	raw = binary.BigEndian.AppendUint32(raw, checksum(raw))
	return string(encoding.AppendEncode([]byte(prefix), raw)), l.end
}

func appendSection(raw []byte, kind byte, body []byte) []byte {
	raw = binary.AppendUvarint(append(raw, kind), uint64(len(body)))
	return append(raw, body...)
}

// encodeRuns encodes as many runs as fit into room bytes, in segments.
func encodeRuns(at int64, runs []Run, room int) (section []byte, kept int) {
	room = max(room, 0)
	if len(runs)/runsPerByte > room {
		runs = runs[:room*runsPerByte] // more cannot fit in any segments
	}
	shapes := plan(at, runs)
	section = make([]byte, 0, min(room, 4*len(runs)))
	for kept < len(runs) {
		n := 1
		for kept+n < len(runs) && shapes[kept+n] == shapes[kept] {
			n++
		}
		segment := runs[kept : kept+n]
		n = shapes[kept].fitting(at, segment, room-len(section))
		if n > 0 {
			section = shapes[kept].append(section, at, segment[:n])
			kept += n
			at = segment[n-1].To
		}
		if n < len(segment) {
			break
		}
	}
	return section, kept
}

// distances returns how far above at a run starts, and how long it is.
func (r Run) distances(at int64) (gap, length uint64) {
	if r.From < at || r.To <= r.From {
		panic(fmt.Sprintf("resume: a run of %d to %d above %d", r.From, r.To, at))
	}
	return uint64(r.From) - uint64(at), uint64(r.To) - uint64(r.From)
}
