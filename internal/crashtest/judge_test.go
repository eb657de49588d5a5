package crashtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A verdict is what the journal proves.
type verdict struct {
	records   int // distinct records done
	kills     int
	takeovers int // assignments after an owner that did not release the partition
	again     int // records that these started again
	// how many those may be: the records in flight, and those done since the last commit
	bound   int
	above   int            // the most records in flight at once; inFlight is the limit
	since   map[string]int // done since the last commit, by worker that did not release
	drained int            // records started again after an owner that did
	// records started by an evicted worker that did not know yet
	zombies int
	cut     int // retries that waited when their worker was killed
	waiting int // retries that waited
	lost    int // assignments lost by workers that survived
	halts   int
	faults  []string
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// String returns the figures.
func (v *verdict) String() string {
	return fmt.Sprintf("%d records, %d workers killed, %d assignments lost by survivors, "+
		"%d takeovers without a drain: %d records repeated, bound %d "+
		"(at most %d of %d in flight in a partition, %d done since a worker's last commit); "+
		"after drains: %d repeated; %d started by evicted workers; "+
		"%d retries waited, %d of them when their worker died, %d halts",
		v.records, v.kills, v.lost, v.takeovers, v.again, v.bound, v.above, inFlight, slices.Max(append(slices.Collect(maps.Values(v.since)), 0)), v.drained, v.zombies, v.waiting, v.cut, v.halts)
}

// term is one assignment of a partition.
type term struct {
	worker    string
	epoch     int32
	from      int64
	started   map[int64]bool
	done      map[int64]bool
	last      map[string]int64 // by key: the last record started
	waits     map[int64]bool   // retries
	committed int64            // as acknowledged
	released  bool
}

// place is what is known of a partition.
type place struct {
	before    []int64 // by offset: the previous record with its key, or -1
	done      map[int64]bool
	terms     []*term
	committed int64
}

// judge reads the workers' lines. keys are the keys of all written records, by partition and
// offset.
func judge(entries []entry, keys [][]string) *verdict {
	v := &verdict{since: map[string]int{}}
	places := make([]*place, len(keys))
	for n, ks := range keys {
		places[n] = newPlace(ks)
	}
	for _, e := range entries {
		switch e.what {
		case killed:
			v.kills++
			continue
		case ready, ended:
			continue
		}
		p := places[e.partition]
		if e.what == assigned {
			v.assigned(p, e)
			continue
		}
		if t := p.term(e); t == nil {
			v.fault("without an assignment: %v", e)
		} else {
			v.told(p, t, e)
		}
	}
	for n, p := range places {
		v.records += len(p.done)
		for offset := range int64(len(keys[n])) {
			if !p.done[offset] {
				v.fault("lost: partition %d offset %d", n, offset)
			}
		}
	}
	return v
}

func newPlace(keys []string) *place {
	p := &place{done: map[int64]bool{}, committed: -1}
	latest := map[string]int64{}
	for offset, key := range keys {
		before, ok := latest[key]
		if !ok {
			before = -1
		}
		p.before = append(p.before, before)
		latest[key] = int64(offset)
	}
	return p
}

func (p *place) term(e entry) *term {
	for _, t := range slices.Backward(p.terms) {
		if t.worker == e.worker && t.epoch == e.epoch {
			return t
		}
	}
	return nil
}

// told judges one step of an assignment's worker.
func (v *verdict) told(p *place, t *term, e entry) {
	switch e.what {
	case began:
		if p.terms[len(p.terms)-1] != t {
			v.zombies++
		}
		if before := p.before[e.offset]; before >= 0 && !p.done[before] {
			v.fault("order: partition %d key %s: %s started %d, but %d before it is not done", e.partition, e.key, e.worker, e.offset, before)
		}
		if last, ok := t.last[e.key]; ok && last > e.offset || t.done[e.offset] {
			v.fault("order: partition %d key %s: %s went back to %d from %d in one assignment", e.partition, e.key, e.worker, e.offset, last)
		}
		t.last[e.key] = e.offset
		delete(t.waits, e.offset)
		t.started[e.offset] = true
	case done:
		t.done[e.offset], p.done[e.offset] = true, true
	case committed:
		t.committed = max(t.committed, e.offset)
		p.committed = max(p.committed, e.offset)
		for offset := t.from; offset < e.offset; offset++ {
			if !p.done[offset] {
				v.fault("partition %d: %d is committed, but %d below it is not done", e.partition, e.offset, offset)
				break
			}
		}
	case revoked:
		t.released = true
	case lost:
		v.lost++
	case waiting:
		v.waiting++
		t.waits[e.offset] = true
	case halted:
		v.halts++
	}
}

// assigned judges what a takeover repeats. After an owner that did not release the partition, at
// most its records in flight and those done since its last commit. After one that did, nothing,
// since it has committed all records done without a gap.
func (v *verdict) assigned(p *place, e entry) {
	if e.offset < p.committed {
		v.fault("partition %d: %s starts at %d, but %d is committed", e.partition, e.worker, e.offset, p.committed)
	}
	if n := len(p.terms); n > 0 {
		before := p.terms[n-1]
		again, uncommitted, above := before.beyond(e.offset)
		bound := uncommitted + inFlight
		if above > inFlight {
			v.fault("partition %d: %s had %d records in flight above its watermark, want at most %d", e.partition, before.worker, above, inFlight)
		}
		if again > bound {
			v.fault("partition %d: %d records of %s are repeated, the bound is %d in flight and %d done since the last commit", e.partition, again, before.worker,
				inFlight, uncommitted)
		}
		switch {
		case before.released:
			v.drained += again
			if uncommitted > 0 {
				v.fault("partition %d: %s released it with %d done but not committed", e.partition, before.worker, uncommitted)
			}
		default:
			v.takeovers++
			v.again += again
			v.bound += bound
			v.above = max(v.above, above)
			v.cut += len(before.waits)
			v.since[before.worker] += uncommitted
			if n := v.since[before.worker]; n > 10*commitEvery {
				v.fault("%s had %d records done since its last commit, which comes every %d: its committer is stuck", before.worker, n, commitEvery)
			}
		}
	}
	p.terms = append(p.terms, &term{worker: e.worker, epoch: e.epoch, from: e.offset, started: map[int64]bool{}, done: map[int64]bool{},
		last: map[string]int64{}, waits: map[int64]bool{}, committed: -1})
}

// beyond counts what the assignment had started from an offset on, how much of it was done since
// its last commit, and how much was in flight above its watermark.
func (t *term) beyond(offset int64) (again, uncommitted, above int) {
	watermark := t.from
	for t.done[watermark] {
		watermark++
	}
	uncommitted = int(watermark - max(t.from, t.committed))
	for o := range t.started {
		if o >= offset {
			again++
		}
		if o >= watermark {
			above++
		}
	}
	return again, uncommitted, above
}

// problem returns all faults in one text, empty without any.
func (v *verdict) problem() string {
	const shown = 20
	if len(v.faults) <= shown {
		return strings.Join(v.faults, "\n")
	}
	return fmt.Sprintf("%s\nand %d more", strings.Join(v.faults[:shown], "\n"), len(v.faults)-shown)
}
