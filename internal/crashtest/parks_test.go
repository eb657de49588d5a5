package crashtest

import (
	"fmt"
	"strings"
)

// parks is what the journal proves of keys whose records fail until the poison ends.
type parks struct {
	keys     map[string]bool // those that were parked
	tried    int             // attempts at their records until the poison ended
	restored int             // parks that an assignment took over without an attempt
	finished int             // their records
	faults   []string
}

func (ps *parks) String() string {
	return fmt.Sprintf("%d keys parked; %d attempts at their records until the poison ended, %d parks taken over without one; %d records finished since then",
		len(ps.keys), ps.tried, ps.restored, ps.finished)
}

func (ps *parks) fault(format string, args ...any) {
	ps.faults = append(ps.faults, fmt.Sprintf(format, args...))
}

// problem returns all faults in one text, empty without any.
func (ps *parks) problem() string { return strings.Join(ps.faults, "\n") }

// park is one park in one assignment.
type park struct {
	owner   string
	commits int // acknowledged to the owner since then
}

// judgeParks reads the workers' lines. keys are the keys of all written records, by partition and
// offset. That no record of them is lost is for judge to say.
func judgeParks(entries []entry, keys [][]string) *parks {
	type attempt struct {
		owner     string
		partition int
		offset    int64
	}
	ps := &parks{keys: map[string]bool{}}
	tried, latest, over := map[attempt]bool{}, map[string]int64{}, false
	parked := make([]map[int64]*park, len(keys)) // by partition and offset
	for n := range parked {
		parked[n] = map[int64]*park{}
	}
	for _, e := range entries {
		owner := fmt.Sprintf("%s/%d", e.worker, e.epoch)
		switch e.what {
		case fixed:
			over = true
		case halted:
			ps.keys[keys[e.partition][e.offset]] = true
			if !tried[attempt{owner, e.partition, e.offset}] {
				ps.restored++
			}
			parked[e.partition][e.offset] = &park{owner: owner}
		case committed:
			for _, p := range parked[e.partition] {
				if p.owner == owner {
					p.commits++
				}
			}
		case began:
			if over || !isPoison(e.key) {
				continue
			}
			ps.tried++
			tried[attempt{owner, e.partition, e.offset}] = true
			// the first commit may have been under way before the park
			if p := parked[e.partition][e.offset]; p != nil && (p.owner == owner || p.commits > 1) {
				ps.fault("partition %d: %s tried %d, which %s had parked %d commits before", e.partition, owner, e.offset, p.owner, p.commits)
			}
		case done:
			if !isPoison(e.key) {
				continue
			}
			if last, ok := latest[e.key]; !over || ok && last >= e.offset {
				ps.fault("partition %d key %s: %d finished before the poison ended, or after %d", e.partition, e.key, e.offset, last)
			}
			latest[e.key] = e.offset
			ps.finished++
		}
	}
	return ps
}
