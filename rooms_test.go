package laneway_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRoomsOfStream holds the files of package stream to the rooms that ARCHITECTURE.md gives them:
// a file uses names of its own room and of those above it, never of those below.
func TestRoomsOfStream(t *testing.T) {
	_, table, ok := strings.Cut(read(t, "ARCHITECTURE.md"), "| room | files |\n| --- | --- |\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no table of rooms")
	}
	table, _, _ = strings.Cut(strings.TrimSpace(table), "\n\n")
	at, name := map[string]int{}, regexp.MustCompile("`([a-z_]+\\.go)`")
	var titles []string
	for i, row := range strings.Split(table, "\n") {
		titles = append(titles, strings.TrimSpace(strings.SplitN(row, "|", 3)[1]))
		for _, m := range name.FindAllStringSubmatch(row, -1) {
			if _, twice := at[m[1]]; twice {
				t.Errorf("%s stands in two rooms", m[1])
			}
			at[m[1]] = i
		}
	}
	files, err := filepath.Glob("stream/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		f = filepath.Base(f)
		if _, known := at[f]; !known && f != "doc.go" && !strings.HasSuffix(f, "_test.go") {
			t.Errorf("%s stands in no room", f)
		}
	}
	for from, tos := range fileArrows(t, "stream") {
		for to := range tos {
			if at[to] > at[from] {
				t.Errorf("%s (%s) uses names of %s (%s)", from, titles[at[from]], to, titles[at[to]])
			}
		}
	}
}
