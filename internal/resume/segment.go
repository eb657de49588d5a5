package resume

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sort"
)

// shape is the encoding of a segment of runs. A segment starts with the uvarint of its count times
// four plus its shape. Distances count from the end of the previous run, or from the committed
// offset.
type shape uint8

const (
	shapePairs   shape = iota // the uvarints of gap and length for each run; count of runs
	shapeHoles                // gaps of one: the uvarint of each length; count of runs
	shapeSingles              // lengths of one: the uvarint of each gap; count of runs
	shapeBitmap               // one bit per offset, lowest first; count of bytes, the last one not 0
	shapes
)

const (
	runsPerByte = 4 // in a bitmap, the densest shape

	headBits = 16      // size of a segment's head, for the plan
	never    = 1 << 40 // bits
)

// costs returns the bits that a run takes in each shape.
func costs(gap, length uint64) (cost [shapes]uint64) {
	g, l := uint64(8*uvarintLen(gap)), uint64(8*uvarintLen(length))
	cost = [shapes]uint64{shapePairs: g + l, shapeHoles: never, shapeSingles: never}
	if gap == 1 {
		cost[shapeHoles] = l
	}
	if length == 1 {
		cost[shapeSingles] = g
	}
	cost[shapeBitmap] = min(gap+length, never)
	return cost
}

// plan chooses the shape of each run so that the whole is shortest. It tracks the cheapest path to
// each shape from run to run, and then follows the cheapest one back to the first run (Viterbi).
func plan(at int64, runs []Run) []shape {
	type step struct {
		from   shape // the cheapest shape before this run
		starts uint8 // one bit for each shape whose segment starts at this run
	}
	start := [shapes]uint64{headBits, headBits, headBits, headBits + 7}
	total, cheapest := start, shape(0)
	steps := make([]step, len(runs))
	for i, r := range runs {
		gap, length := r.distances(at)
		if i > 0 && gap == 0 {
			panic(fmt.Sprintf("resume: a run of %d to %d touches the one below", r.From, r.To))
		}
		cost := costs(gap, length)
		steps[i].from = cheapest
		least := total[cheapest]
		for s := range shapes {
			if i > 0 && least+start[s] < total[s] {
				total[s] = least + start[s]
				steps[i].starts |= 1 << s
			}
			total[s] += cost[s]
		}
		cheapest = 0
		for s := range shapes {
			if total[s] < total[cheapest] {
				cheapest = s
			}
		}
		at = r.To
	}
	chosen := make([]shape, len(runs))
	for i := len(runs) - 1; i >= 0; i-- {
		chosen[i] = cheapest
		if steps[i].starts&(1<<cheapest) != 0 {
			cheapest = steps[i].from
		}
	}
	return chosen
}

// fitting returns how many of the runs fit into a segment of room bytes.
func (s shape) fitting(at int64, runs []Run, room int) int {
	if s == shapeBitmap { // its size is the distance to the end of the last run
		room -= uvarintLen(uint64(max(room, 0)) << 2)
		return sort.Search(len(runs), func(i int) bool { return room < 0 || runs[i].To-at > 8*int64(room) })
	}
	room -= uvarintLen(uint64(len(runs)) << 2)
	var used uint64
	for i, r := range runs {
		used += costs(r.distances(at))[s]
		if room < 0 || (used+7)/8 > uint64(room) {
			return i
		}
		at = r.To
	}
	return len(runs)
}

func (s shape) append(to []byte, at int64, runs []Run) []byte {
	if s == shapeBitmap {
		return appendBitmap(to, at, runs)
	}
	to = binary.AppendUvarint(to, uint64(len(runs))<<2|uint64(s))
	for _, r := range runs {
		gap, length := r.distances(at)
		if s != shapeHoles {
			to = binary.AppendUvarint(to, gap)
		}
		if s != shapeSingles {
			to = binary.AppendUvarint(to, length)
		}
		at = r.To
	}
	return to
}

func appendBitmap(to []byte, at int64, runs []Run) []byte {
	size := (runs[len(runs)-1].To - at + 7) / 8
	to = binary.AppendUvarint(to, uint64(size)<<2|uint64(shapeBitmap))
	first := len(to)
	to = append(to, make([]byte, size)...)
	bitmap := to[first:]
	for _, r := range runs {
		for i := r.From - at; i < r.To-at; i++ {
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	return to
}

func uvarintLen(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }
