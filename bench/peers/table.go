package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// row holds the rounds of one peer at one work.
type row struct {
	peer     peer
	outcomes []*outcome // by round; nil if it did not finish, or had no turn
	slow     bool       // it got no other turn
}

// title is the peer's name in a table, with remarks.
func (r row) title(w work) string {
	name := r.peer.name
	if w.keyed {
		name += ", " + r.peer.beside
	}
	ended := 0
	for _, o := range r.outcomes {
		if o != nil {
			ended++
		}
	}
	switch {
	case r.slow:
		name += fmt.Sprintf(" (too slow for more than %d of %d rounds)", max(1, ended), len(r.outcomes))
	case ended < len(r.outcomes):
		name += fmt.Sprintf(" (did not finish %d of %d times)", len(r.outcomes)-ended, len(r.outcomes))
	}
	return name
}

// speeds writes the table of one work. The first row is the baseline.
func speeds(out io.Writer, w work, rows []row) {
	fmt.Fprintf(out, "\n**%s**: %s records of %d B, %s, over 8 partitions, to committed offsets. \"From its start\" counts the start of the process and its joining as well.\n\n", w.name, thousands(w.records), w.size, w.title)
	fmt.Fprint(out, "| | records/s | to Laneway | … from its start | until the first | CPU per record | peak memory | out of order or repeated | lost |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	var faster []string
	for _, r := range rows {
		var walls, joined, used, peaks, ratios, whole []float64
		var disordered, lost int64
		for i, o := range r.outcomes {
			if o == nil {
				continue
			}
			joined = append(joined, float64(o.joined.Milliseconds()))
			walls = append(walls, o.wall.Seconds())
			used = append(used, float64(o.used.Nanoseconds())/float64(w.records)/1000)
			peaks = append(peaks, o.peakMiB)
			ratios = append(ratios, float64(rows[0].outcomes[i].wall)/float64(o.wall))
			whole = append(whole, float64(rows[0].outcomes[i].joined+rows[0].outcomes[i].wall)/float64(o.joined+o.wall))
			disordered, lost = disordered+o.disordered, lost+o.lost
		}
		name := r.title(w)
		if len(walls) == 0 {
			fmt.Fprintf(out, "| %s | | | | | | | | |\n", name)
			continue
		}
		ratio := median(ratios)
		fmt.Fprintf(out, "| %s | %s | %.2f | %.2f | %.0f ms | %.2f µs | %.0f MiB | %d | %d |\n", name, thousands(int(float64(w.records)/median(walls))), ratio,
			median(whole), median(joined), median(used), median(peaks), disordered, lost)
		if ratio > 1 {
			faster = append(faster, fmt.Sprintf("%s is %.2f × as fast as Laneway here.", r.peer.name, ratio))
		}
	}
	if len(faster) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(faster, " "))
	}
}

// failures writes the outcome of one record that always fails.
func failures(out io.Writer, w work, vs map[string]verdict) {
	fmt.Fprintf(out, "\n**%s**: of %s records over 8 partitions, %s. What each does until nothing moves for %v; then a worker of the same group without the fault takes over.\n\n",
		w.name, thousands(w.records), w.title, quiet)
	fmt.Fprint(out, "| | what its user has for it | attempts | handled behind it | handled of the other partitions | committed past it | in the end: lost, repeated |\n| --- | --- | ---: | ---: | ---: | --- | ---: |\n")
	for _, p := range w.peers() {
		v, ok := vs[p.name]
		if !ok {
			fmt.Fprintf(out, "| %s | %s | did not finish | | | | |\n", p.name, p.failure)
			continue
		}
		passed := "no"
		if v.passed {
			passed = "**yes**"
		}
		if !v.stops {
			passed += fmt.Sprintf("; did not leave within %v", grace)
		}
		fmt.Fprintf(out, "| %s | %s | %d | %s | %.0f %% | %s | %d, %d |\n", p.name, p.failure, v.attempts, thousands(int(v.behind)),
			100*float64(v.others)/float64(v.ofOthers), passed, v.lost, v.repeated)
	}
}

// settings writes how each peer was tuned.
func settings(out io.Writer) {
	fmt.Fprintln(out, "\nSettings:")
	for _, p := range peers {
		fmt.Fprintf(out, "* %s (%s): %s.\n", p.name, p.version(), p.settings)
	}
}

func median[T cmp.Ordered](vs []T) T {
	s := slices.Sorted(slices.Values(vs))
	return s[len(s)/2]
}

// thousands formats 1234567 as 1,234,567.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
