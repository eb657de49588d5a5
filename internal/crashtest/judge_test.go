package crashtest

import (
	"fmt"
	"slices"
	"strings"
)

// A verdict is what the journal proves.
type verdict struct {
	records   int // distinct records done
	kills     int
	takeovers int // assignments after an owner that did not release the partition
	repeated  int // records started again that such an owner had done
	// how many those may be: what was running, and what was done since the last commit
	bound int
	since int // of those, the most done since the last commit of one worker
	// records started again that an owner which drained had done; it may be none
	drained int
	held    int // the most records in a partition that had started and were not done
	// records started by an evicted worker that did not know yet
	zombies int
	cut     int // retries that waited when their worker was killed
	waiting int // retries that waited
	lost    int // assignments lost by workers that survived
	halts   int
	faults  []string
}

// limits are what a chain promises to keep.
type limits struct {
	wide     int // records that a worker runs at a time
	inFlight int // unfinished records of a partition
	counted  int // a commit comes after so many records; 0: by time alone
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// String returns the figures.
func (v *verdict) String() string {
	return fmt.Sprintf("%d records, %d workers killed, %d assignments lost by survivors, "+
		"%d takeovers without a drain: %d records repeated, bound %d "+
		"(at most %d done since a worker's last commit); after drains: %d repeated; "+
		"at most %d unfinished in a partition; %d started by evicted workers; "+
		"%d retries waited, %d of them when their worker died, %d halts",
		v.records, v.kills, v.lost, v.takeovers, v.repeated, v.bound, v.since, v.drained, v.held, v.zombies, v.waiting, v.cut, v.halts)
}

// term is one assignment of a partition.
type term struct {
	worker     string
	epoch      int32
	from       int64
	unfinished map[int64]bool // started and not done
	waits      map[int64]bool // of those, retries that wait
	done       map[int64]bool
	last       map[string]int64 // by key: the last record started
	committed  int64            // as acknowledged
	// how many were done when the last commit was acknowledged, and the one before that; the last
	// one was made later, so it tells of those at least
	acked, ackedBefore int
	repeated           int // of done, how many the next one started again
	cut                int // how many it started again and did not finish, so that another did
	most               int // unfinished at a time
	released           bool
}

// place is what is known of a partition.
type place struct {
	before    []int64 // by offset: the previous record with its key, or -1
	doneBy    map[int64]*term
	startedBy map[int64]*term // the last one
	terms     []*term
	committed int64
}

// judge reads the workers' lines. keys are the keys of all written records, by partition and
// offset.
func judge(entries []entry, keys [][]string, l limits) *verdict {
	v := &verdict{}
	places := make([]*place, len(keys))
	for n, ks := range keys {
		places[n] = newPlace(ks)
	}
	late := map[string]int{} // records started in a drain, by worker
	for _, e := range entries {
		switch e.what {
		case killed:
			v.kills++
			continue
		case draining:
			late[e.worker] = 0
			continue
		case ready, ended, fixed:
			continue
		}
		p := places[e.partition]
		if e.what == assigned {
			v.assigned(p, e)
			continue
		}
		t := p.term(e)
		if t == nil {
			v.fault("without an assignment: %v", e)
			continue
		}
		v.told(p, t, e)
		if _, drains := late[e.worker]; drains && e.what == began {
			late[e.worker]++
		}
	}
	for worker, n := range late {
		if n > l.wide { // each of its goroutines may have been about to
			v.fault("%s started %d records after its drain had begun", worker, n)
		}
	}
	for n, p := range places {
		v.records += len(p.doneBy)
		for offset := range int64(len(keys[n])) {
			if p.doneBy[offset] == nil {
				v.fault("lost: partition %d offset %d", n, offset)
			}
		}
	}
	v.repeats(places, l)
	return v
}

func newPlace(keys []string) *place {
	p := &place{doneBy: map[int64]*term{}, startedBy: map[int64]*term{}, committed: -1}
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
		v.began(p, t, e)
	case done:
		t.done[e.offset], p.doneBy[e.offset] = true, t
		delete(t.unfinished, e.offset)
	case committed:
		t.acked, t.ackedBefore = len(t.done), t.acked
		for offset := max(t.from, t.committed); offset < e.offset; offset++ {
			if p.doneBy[offset] == nil {
				v.fault("partition %d: %d is committed, but %d below it is not done", e.partition, e.offset, offset)
				break
			}
		}
		t.committed = max(t.committed, e.offset)
		p.committed = max(p.committed, e.offset)
	case revoked:
		t.released = true
	case overdue:
		v.fault("partition %d: the drain of %s did not end in time", e.partition, e.worker)
	case lost:
		v.lost++
	case waiting:
		v.waiting++
		t.waits[e.offset] = true
	case halted:
		v.halts++
	}
}

// began judges the start of a record.
func (v *verdict) began(p *place, t *term, e entry) {
	if p.terms[len(p.terms)-1] != t {
		v.zombies++
	}
	if before := p.before[e.offset]; before >= 0 && p.doneBy[before] == nil {
		v.fault("order: partition %d key %s: %s started %d, but %d before it is not done", e.partition, e.key, e.worker, e.offset, before)
	}
	if last, ok := t.last[e.key]; ok && last > e.offset || t.done[e.offset] {
		v.fault("order: partition %d key %s: %s went back to %d from %d in one assignment", e.partition, e.key, e.worker, e.offset, last)
	}
	if p.doneBy[e.offset] != nil {
		switch before := p.startedBy[e.offset]; {
		case before == t: // a retry
		case before.done[e.offset]:
			before.repeated++
		default:
			before.cut++
		}
	}
	p.startedBy[e.offset] = t
	t.last[e.key] = e.offset
	t.unfinished[e.offset] = true
	t.most = max(t.most, len(t.unfinished))
	delete(t.waits, e.offset)
}

func (v *verdict) assigned(p *place, e entry) {
	if e.offset < p.committed {
		v.fault("partition %d: %s starts at %d, but %d is committed", e.partition, e.worker, e.offset, p.committed)
	}
	if n := len(p.terms); n > 0 && !p.terms[n-1].released {
		v.takeovers++
		v.cut += len(p.terms[n-1].waits)
	}
	p.terms = append(p.terms, &term{worker: e.worker, epoch: e.epoch, from: e.offset, unfinished: map[int64]bool{}, done: map[int64]bool{},
		last: map[string]int64{}, waits: map[int64]bool{}, committed: -1})
}

// repeats judges what was done again. After an owner that released its partition nothing is, since
// it has committed all that was done. After another, at most what it was running, and what was done
// since its last commit.
func (v *verdict) repeats(places []*place, l limits) {
	since, unacked := map[string]int{}, map[string]int{} // by worker that did not release
	for n, p := range places {
		for i, t := range p.terms {
			if v.held = max(v.held, t.most); t.most > l.inFlight {
				v.fault("partition %d: %s had %d unfinished records in flight, want at most %d", n, t.worker, t.most, l.inFlight)
			}
			if t.released {
				if v.drained += t.repeated; t.repeated > 0 {
					v.fault("partition %d: %s released it, and %d records that it had done are repeated", n, t.worker, t.repeated)
				}
				continue
			}
			if i+1 == len(p.terms) {
				continue // nobody has taken over
			}
			uncommitted := len(t.done) - t.ackedBefore
			repeated := t.repeated + t.cut
			if bound := l.wide + uncommitted; repeated > bound {
				v.fault("partition %d: %d records of %s are repeated, the bound is %d: %d that run and %d done since the last commit", n, repeated, t.worker,
					bound, l.wide, uncommitted)
			}
			v.repeated += repeated
			since[t.worker] += uncommitted
			unacked[t.worker] += len(t.done) - t.acked
		}
	}
	for worker, n := range since {
		v.bound += l.wide + n
		v.since = max(v.since, n)
		if n := unacked[worker]; l.counted > 0 && n > 10*l.counted {
			v.fault("%s had %d records done since its last commit, which comes every %d: its committer is stuck", worker, n, l.counted)
		}
	}
}

// problem returns all faults in one text, empty without any.
func (v *verdict) problem() string {
	const shown = 20
	if len(v.faults) <= shown {
		return strings.Join(v.faults, "\n")
	}
	return fmt.Sprintf("%s\nand %d more", strings.Join(v.faults[:shown], "\n"), len(v.faults)-shown)
}
