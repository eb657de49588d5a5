package main

import (
	"fmt"
	"io"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// writeKeys lists keys of a partition below its explanation.
func writeKeys(w io.Writer, keys adminapi.Lanes) {
	fmt.Fprintf(w, "  %-8s %d in flight", "keys", keys.Total)
	if len(keys.Lanes) < keys.Total {
		fmt.Fprint(w, ", of which these are the hottest and the oldest")
	}
	fmt.Fprintln(w)
	t := newTable("KEY", "RECORDS", "FROM", "ERROR", "WHY")
	for _, l := range keys.Lanes {
		name := l.Key
		switch {
		case l.Keyless:
			name = "(no key)"
		case name == "":
			name = "(empty, or hidden without a token)"
		}
		t.row(name, fmt.Sprint(l.Records), fmt.Sprint("@", l.Offset), l.Error, l.Why)
	}
	_ = t.write(w) // as the lines above
}
