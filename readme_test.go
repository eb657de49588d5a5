package laneway_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhatREADMEShowsCompiles looks for each block of Go in README.md in the package
// examples/readme, white space aside; that this is its place and not there has go test mind what
// README.md says.
func TestWhatREADMEShowsCompiles(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("examples/readme/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(squeezed(string(src)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 8 {
		t.Fatalf("README.md has %d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(code.String(), squeezed(b[1])) {
			t.Errorf("README.md shows what is not in examples/readme, so that nobody knows whether it compiles:\n%s", b[1])
		}
	}
}

// squeezed is text with one space for each run of white space, and none at the end of a line.
func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") + " " }
