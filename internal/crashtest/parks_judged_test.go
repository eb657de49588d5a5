package crashtest

import (
	"strings"
	"testing"
)

// k0 is a poison key, k400 is not.
func TestJudgeParks(t *testing.T) {
	const whole = `assigned w1 1 0 0 -
began w1 1 0 0 k0
halted w1 1 0 0 -
began w1 1 0 1 k400
done w1 1 0 1 k400
committed w1 1 0 0 -
committed w1 1 0 0 -
killed w1 0 0 0
assigned w2 1 0 0 -
halted w2 1 0 0 -
fixed test 0 0 0
began w2 1 0 0 k0
done w2 1 0 0 k0
began w2 1 0 2 k0
done w2 1 0 2 k0
`
	judged := func(lines string) *parks {
		return judgeParks(linesOf(t, lines), [][]string{{"k0", "k400", "k0"}})
	}
	if ps := judged(whole); ps.problem() != "" || len(ps.keys) != 1 || ps.tried != 1 || ps.restored != 1 || ps.finished != 2 {
		t.Fatalf("%v\n%s", ps, ps.problem())
	}
	for name, c := range map[string]struct{ old, new, fault string }{
		"an attempt at a parked record":   {"began w1 1 0 1 k400", "began w1 1 0 0 k0", "w1/1 tried 0, which w1/1 had parked"},
		"a stored park that is forgotten": {"halted w2 1 0 0 -", "began w2 1 0 0 k0", "w2/1 tried 0, which w1/1 had parked 2 commits before"},
		"a record that is done early":     {"fixed test 0 0 0\nbegan w2 1 0 0 k0\ndone w2 1 0 0 k0\n", "began w2 1 0 0 k0\ndone w2 1 0 0 k0\nmended test 0 0 0\n", "0 finished before the poison ended"},
		"a record that is done twice":     {"began w2 1 0 2 k0\ndone w2 1 0 2 k0", "began w2 1 0 0 k0\ndone w2 1 0 0 k0", "or after 0"},
	} {
		t.Run("finds "+name, func(t *testing.T) {
			if !strings.Contains(whole, c.old) {
				t.Fatalf("no line to replace: %q", c.old)
			}
			if p := judged(strings.Replace(whole, c.old, c.new, 1)).problem(); !strings.Contains(p, c.fault) {
				t.Errorf("found %q, want %q", p, c.fault)
			}
		})
	}
}
