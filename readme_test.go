package laneway_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestShownCodeCompiles looks for each block of Go in README.md and docs in the packages that are
// there for it, white space aside.
func TestShownCodeCompiles(t *testing.T) {
	var code strings.Builder
	for _, dir := range []string{"readme", "start", "cookbook"} {
		for _, f := range glob(t, "examples/"+dir+"/*.go") {
			code.WriteString(squeezed(read(t, f)))
		}
	}
	blocks := 0
	for _, page := range append(glob(t, "docs/*.md"), "README.md") {
		for _, b := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
			blocks++
			if !strings.Contains(code.String(), squeezed(b[1])) {
				t.Errorf("%s shows what is in none of examples/readme, start and cookbook, so that nobody knows whether it compiles:\n%s", page, b[1])
			}
		}
	}
	if blocks < 30 {
		t.Errorf("%d blocks of Go", blocks)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// squeezed is text with one space for each run of white space, and none at the end of a line.
func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") + " " }
