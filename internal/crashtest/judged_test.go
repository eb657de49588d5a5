package crashtest

import (
	"fmt"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	// The proof is only as good as its judge, which must find every fault that a worker could have.
	t.Run("finds each fault", func(t *testing.T) {
		const whole = `assigned w1 1 0 0 -
began w1 1 0 0 a
began w1 1 0 1 b
done w1 1 0 1 b
done w1 1 0 0 a
committed w1 1 0 2 -
began w1 1 0 2 a
killed w1 0 0 0
assigned w2 1 0 2 -
began w2 1 0 2 a
done w2 1 0 2 a
began w2 1 0 3 a
done w2 1 0 3 a
committed w2 1 0 4 -
revoked w2 1 0 4 -
`
		keys := [][]string{{"a", "b", "a", "a"}}
		if v := judgeLines(t, whole, keys); v.problem() != "" || v.repeated != 0 || v.takeovers != 1 || v.records != 4 {
			t.Fatalf("%v\n%s", v, v.problem())
		}
		for name, c := range map[string]struct{ old, new, fault string }{
			"a lost record":               {"began w2 1 0 3 a\ndone w2 1 0 3 a\n", "", "lost: partition 0 offset 3"},
			"an overtaking record":        {"began w2 1 0 2 a\n", "began w2 1 0 3 a\n", "order: partition 0 key a: w2 started 3, but 2 before it is not done"},
			"a record done twice":         {"committed w2", "began w2 1 0 3 a\ncommitted w2", "went back to 3"},
			"a key that goes back":        {"began w1 1 0 2 a", "began w1 1 0 2 a\nbegan w1 1 0 0 a", "went back to 0 from 2"},
			"a commit too far":            {"committed w1 1 0 2", "committed w1 1 0 3", "3 is committed, but 2 below it is not done"},
			"a repeated committed record": {"assigned w2 1 0 2", "assigned w2 1 0 1", "w2 starts at 1, but 2 is committed"},
			"a repeat after a drain":      {"killed w1 0 0 0\nassigned w2 1 0 2", "revoked w1 1 0 2 -\nassigned w2 1 0 2 -\nbegan w2 1 0 1 b", "w1 released it, and 1 records"},
			"a drain that takes too long": {"revoked w2 1", "overdue w2 1 0 0 -\nrevoked w2 1", "the drain of w2 did not end in time"},
			"work without an assignment":  {"assigned w2 1 0 2 -\n", "", "without an assignment: began w2"},
		} {
			t.Run(name, func(t *testing.T) {
				if !strings.Contains(whole, c.old) {
					t.Fatalf("no line to replace: %q", c.old)
				}
				if p := judgeLines(t, strings.Replace(whole, c.old, c.new, 1), keys).problem(); !strings.Contains(p, c.fault) {
					t.Errorf("found %q, want %q", p, c.fault)
				}
			})
		}
	})
	// Two records run at a time, and four were done when the commit before the last was acknowledged.
	const crash = `assigned w1 1 0 0 -
began w1 1 0 0 a
done w1 1 0 0 a
began w1 1 0 1 b
done w1 1 0 1 b
began w1 1 0 2 c
done w1 1 0 2 c
began w1 1 0 3 d
done w1 1 0 3 d
committed w1 1 0 4 -
began w1 1 0 4 e
done w1 1 0 4 e
committed w1 1 0 5 -
killed w1 0 0 0
assigned w2 1 0 5 -
`
	keys := [][]string{{"a", "b", "c", "d", "e"}}
	t.Run("lets a crash repeat what ran and what was done since the last commit", func(t *testing.T) {
		v := judgeLines(t, crash+"began w2 1 0 4 e\nbegan w2 1 0 3 d\nbegan w2 1 0 2 c\n", keys)
		if v.problem() != "" || v.repeated != 3 || v.bound != 3 {
			t.Errorf("%v\n%s", v, v.problem())
		}
	})
	t.Run("finds a crash that repeats more", func(t *testing.T) {
		v := judgeLines(t, crash+"began w2 1 0 4 e\nbegan w2 1 0 3 d\nbegan w2 1 0 2 c\nbegan w2 1 0 1 b\n", keys)
		if p := v.problem(); !strings.Contains(p, "4 records of w1 are repeated, the bound is 3") {
			t.Errorf("found %q", p)
		}
	})
	t.Run("has a second crash answer for what it was repeating", func(t *testing.T) {
		v := judgeLines(t, crash+"began w2 1 0 4 e\nbegan w2 1 0 3 d\nkilled w2 0 0 0\nassigned w3 1 0 5 -\nbegan w3 1 0 4 e\nbegan w3 1 0 3 d\n", keys)
		if v.problem() != "" || v.repeated != 4 || v.bound != 5 {
			t.Errorf("%v\n%s", v, v.problem())
		}
	})
	t.Run("finds records that start in a drain", func(t *testing.T) {
		const drain = `assigned w1 1 0 0 -
draining w1 0 0 0 -
began w1 1 0 0 a
began w1 1 0 1 b
began w1 1 0 2 c
`
		if p := judgeLines(t, drain, keys).problem(); !strings.Contains(p, "w1 started 3 records after its drain had begun") {
			t.Errorf("found %q", p)
		}
	})
	t.Run("finds too many records in flight", func(t *testing.T) {
		lines := "assigned w1 1 0 0 -\n"
		var keys []string
		for offset := range inFlight + 1 {
			keys = append(keys, fmt.Sprint("k", offset))
			lines += fmt.Sprintf("began w1 1 0 %d k%d\n", offset, offset)
		}
		lines += "killed w1 0 0 0\nassigned w2 1 0 0 -\n"
		if p := judgeLines(t, lines, [][]string{keys}).problem(); !strings.Contains(p, fmt.Sprintf("w1 had %d unfinished records in flight", inFlight+1)) {
			t.Errorf("found %q", p)
		}
	})
}

func judgeLines(t *testing.T, lines string, keys [][]string) *verdict {
	t.Helper()
	return judge(linesOf(t, lines), keys, limits{wide: 2, inFlight: inFlight, counted: commitEvery})
}

func linesOf(t *testing.T, lines string) []entry {
	t.Helper()
	j := newJournal()
	j.read(strings.NewReader(lines))
	if j.err != nil {
		t.Fatal(j.err)
	}
	return j.entries
}
