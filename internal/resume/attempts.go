package resume

import (
	"encoding/binary"
	"math"
	"slices"
)

// Attempts counts the failed attempts of a step at an unfinished record.
type Attempts struct {
	Offset int64
	Step   string // see StepOf
	Failed int
}

// appendAttempts appends the section of attempts, as many as fit into size. It is a table of steps
// (a count, then length and text of each) and, for each record in ascending order, the distance
// from the offset before it, the step's index and the number of failed attempts.
func appendAttempts(raw []byte, offset int64, all []Attempts, size int) []byte {
	size -= len(raw) + 1 // the section's type
	var steps []string
	var records []byte
	section := func(steps []string, records []byte) []byte {
		body := binary.AppendUvarint(nil, uint64(len(steps)))
		for _, s := range steps {
			body = append(binary.AppendUvarint(body, uint64(len(s))), s...)
		}
		return append(body, records...)
	}
	at := offset
	for _, a := range all {
		step, table := StepOf(a.Step), steps
		i := slices.Index(table, step)
		if i < 0 {
			i, table = len(table), append(table, step)
		}
		more := records
		for _, x := range []uint64{uint64(a.Offset - at), uint64(i), uint64(a.Failed)} {
			more = binary.AppendUvarint(more, x)
		}
		if n := len(section(table, more)); uvarintLen(uint64(n))+n > size {
			break
		}
		steps, records, at = table, more, a.Offset
	}
	if len(records) == 0 {
		return raw
	}
	return appendSection(raw, sectionAttempts, section(steps, records))
}

func decodeAttempts(offset int64, body buffer) (all []Attempts, ok bool) {
	n, ok := body.uvarint()
	if !ok || n > uint64(len(body)) {
		return nil, false
	}
	steps := make([]string, 0, n)
	for range n {
		step, ok := body.text()
		if !ok {
			return nil, false
		}
		steps = append(steps, step)
	}
	for len(body) > 0 {
		var xs [3]uint64
		for i := range xs {
			if xs[i], ok = body.uvarint(); !ok {
				return nil, false
			}
		}
		if xs[0] > uint64(math.MaxInt64-offset) || xs[1] >= uint64(len(steps)) || xs[2] > math.MaxInt32 {
			return nil, false
		}
		offset += int64(xs[0])
		all = append(all, Attempts{offset, steps[xs[1]], int(xs[2])})
	}
	return all, true
}
