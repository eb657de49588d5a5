package crashtest

import (
	"fmt"
	"strings"
	"testing"
)

// mixed is what is proved of a group in which not all members are workers.
type mixed struct {
	verdict
	byOthers int
	// records that were done above the offset of each release, while a member that keeps no resume
	// state was there to take them
	ahead int
}

// judgeMixed reads the lines of workers and others, and those that Java's console consumer printed.
// Of these nobody knows when.
func judgeMixed(entries []entry, java []string, keys [][]string) *mixed {
	v := &mixed{}
	places, byJava := make([]*place, len(keys)), make([]map[int64]bool, len(keys))
	for n, ks := range keys {
		places[n], byJava[n] = newPlace(ks), map[int64]bool{}
	}
	times := 0 // that a record was done
	for _, line := range java {
		var partition int
		var offset int64
		if _, err := fmt.Sscanf(line, "Partition:%d Offset:%d", &partition, &offset); err != nil {
			v.fault("Java's console printed %q", line)
			continue
		}
		byJava[partition][offset] = true
		times++
	}
	v.byOthers = times
	others := map[string]bool{} // that are there
	seen := map[string]bool{}
	for _, e := range entries {
		p := places[e.partition]
		switch e.what {
		case arrived:
			others[e.worker], seen[e.worker] = true, true
		case left:
			delete(others, e.worker)
		case began, done:
			if before := p.before[e.offset]; before >= 0 && p.doneBy[before] == nil && !byJava[e.partition][before] {
				v.fault("order: partition %d key %s: %s started %d, but %d before it is not done", e.partition, e.key, e.worker, e.offset, before)
			}
			if e.what == done {
				p.doneBy[e.offset] = &term{worker: e.worker}
				if times++; seen[e.worker] {
					v.byOthers++
				}
			}
		case overdue, lost:
			v.fault("%s: partition %d was not drained in time, or lost", e.worker, e.partition)
		case revoked:
			for offset := range p.doneBy {
				if offset >= e.offset && len(others) > 0 {
					v.ahead++
				}
			}
		}
	}
	for n, p := range places {
		for offset := range int64(len(keys[n])) {
			if p.doneBy[offset] == nil && !byJava[n][offset] {
				v.fault("lost: partition %d offset %d", n, offset)
			}
		}
		v.records += len(keys[n])
	}
	if v.repeated = times - v.records; v.repeated > v.ahead {
		v.fault("%d records are repeated, but workers had finished %d above the offsets they left behind", v.repeated, v.ahead)
	}
	return v
}

func TestJudgeMixed(t *testing.T) {
	const whole = `began w1 1 0 0 a
done w1 1 0 0 a
began w1 1 0 2 b
done w1 1 0 2 b
arrived franz1 0 0 0 -
revoked w1 1 0 1 -
done franz1 0 0 1 a
done franz1 0 0 2 b
left franz1 0 0 0 -
began w1 2 0 4 a
done w1 2 0 4 a
revoked w1 2 0 5 -
`
	const java = "Partition:0\tOffset:3\tplain"
	keys := [][]string{{"a", "a", "b", "b", "a"}}
	judged := func(lines, java string) *mixed { return judgeMixed(linesOf(t, lines), []string{java}, keys) }
	if v := judged(whole, java); v.problem() != "" || v.records != 5 || v.byOthers != 3 || v.repeated != 1 || v.ahead != 1 {
		t.Fatalf("%+v\n%s", v, v.problem())
	}
	for name, c := range map[string]struct{ old, new, fault string }{
		"a lost record":                {"began w1 2 0 4 a\ndone w1 2 0 4 a\n", "", "lost: partition 0 offset 4"},
		"an overtaking record":         {"done franz1 0 0 1 a\n", "", "w1 started 4, but 1 before it is not done"},
		"a repeat of a record below":   {"left franz1", "done franz1 0 0 0 a\nleft franz1", "2 records are repeated, but workers had finished 1"},
		"a repeat between workers":     {"arrived franz1", "left franz1", "1 records are repeated, but workers had finished 0"},
		"a lost assignment":            {"revoked w1 2 0 5", "lost w1 2 0 5", "w1: partition 0 was not drained in time, or lost"},
		"a record that nobody printed": {"", "", "lost: partition 0 offset 3"},
	} {
		t.Run(name, func(t *testing.T) {
			printed := java
			if c.old == "" {
				printed = "Partition:0\tOffset:0\tplain"
			}
			if p := judged(strings.Replace(whole, c.old, c.new, 1), printed).problem(); !strings.Contains(p, c.fault) {
				t.Errorf("found %q, want %q", p, c.fault)
			}
		})
	}
}
