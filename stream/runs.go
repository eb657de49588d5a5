package stream

import (
	"slices"

	"github.com/laneway-go/laneway/internal/resume"
)

// What is asked of runs of offsets.

// total returns how many offsets are in runs.
func total(runs []resume.Run) (n int64) {
	for _, r := range runs {
		n += r.To - r.From
	}
	return n
}

// within reports whether offset is in one of the runs, or of the ledger's spans.
func within[R ~struct{ From, To int64 }](runs []R, offset int64) bool {
	_, ok := find(runs, offset)
	return ok
}

// find returns the run that has an offset.
func find[R ~struct{ From, To int64 }](runs []R, offset int64) (i int, ok bool) {
	return slices.BinarySearchFunc(runs, offset, func(is R, at int64) int {
		switch r := resume.Run(is); {
		case r.To <= at:
			return -1
		case r.From > at:
			return 1
		}
		return 0
	})
}

// without returns runs without an offset.
func without(runs []resume.Run, at int64) []resume.Run {
	i, within := find(runs, at)
	if !within {
		return runs
	}
	var around []resume.Run
	if r := runs[i]; r.From < at {
		around = append(around, resume.Run{From: r.From, To: at})
	}
	if r := runs[i]; at+1 < r.To {
		around = append(around, resume.Run{From: at + 1, To: r.To})
	}
	return slices.Concat(runs[:i], around, runs[i+1:])
}
