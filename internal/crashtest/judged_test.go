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
		if v := judgeLines(t, whole, keys); v.problem() != "" || v.again != 1 || v.takeovers != 1 || v.records != 4 {
			t.Fatalf("%v\n%s", v, v.problem())
		}
		for name, c := range map[string]struct{ old, new, fault string }{
			"a lost record":                   {"began w2 1 0 3 a\ndone w2 1 0 3 a\n", "", "lost: partition 0 offset 3"},
			"an overtaking record":            {"began w2 1 0 2 a\n", "began w2 1 0 3 a\n", "order: partition 0 key a: w2 started 3, but 2 before it is not done"},
			"a record done twice":             {"committed w2", "began w2 1 0 3 a\ncommitted w2", "went back to 3"},
			"a key that goes back":            {"began w1 1 0 2 a", "began w1 1 0 2 a\nbegan w1 1 0 0 a", "went back to 0 from 2"},
			"a commit too far":                {"committed w1 1 0 2", "committed w1 1 0 3", "3 is committed, but 2 below it is not done"},
			"a repeated committed record":     {"assigned w2 1 0 2", "assigned w2 1 0 1", "w2 starts at 1, but 2 is committed"},
			"a revocation without its commit": {"committed w1 1 0 2 -\nbegan w1 1 0 2 a\nkilled w1 0 0 0\nassigned w2 1 0 2", "revoked w1 1 0 -1 -\nassigned w2 1 0 0", "released it with 2 done"},
			"work without an assignment":      {"assigned w2 1 0 2 -\n", "", "without an assignment: began w2"},
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
	t.Run("finds too many records in flight", func(t *testing.T) {
		lines := "assigned w1 1 0 0 -\n"
		var keys []string
		for offset := range inFlight + 1 {
			keys = append(keys, fmt.Sprint("k", offset))
			lines += fmt.Sprintf("began w1 1 0 %d k%d\n", offset, offset)
		}
		lines += "killed w1 0 0 0\nassigned w2 1 0 0 -\n"
		if p := judgeLines(t, lines, [][]string{keys}).problem(); !strings.Contains(p, fmt.Sprintf("w1 had %d records in flight", inFlight+1)) {
			t.Errorf("found %q", p)
		}
	})
}

func judgeLines(t *testing.T, lines string, keys [][]string) *verdict {
	t.Helper()
	j := newJournal()
	j.read(strings.NewReader(lines))
	if j.err != nil {
		t.Fatal(j.err)
	}
	return judge(j.entries, keys)
}
