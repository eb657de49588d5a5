package laneway_test

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

const columns = 100

// Code in a doc comment and the output that an example promises keep their lines.
func TestCommentsFitTheirColumns(t *testing.T) {
	for _, r := range rooms(t) {
		for _, f := range r.files {
			text, err := os.ReadFile(f.name)
			if err != nil {
				t.Fatal(err)
			}
			output := false
			for i, line := range strings.Split(string(text), "\n") {
				line = strings.TrimLeft(line, "\t")
				if !strings.HasPrefix(line, "//") {
					output = false
					continue
				}
				output = output || strings.HasPrefix(line, "// Output:") || strings.HasPrefix(line, "// Unordered output:")
				if n := utf8.RuneCountInString(line); n > columns && !output && !strings.HasPrefix(line, "//\t") {
					t.Errorf("%s:%d: a comment of %d columns, at most %d", f.name, i+1, n, columns)
				}
			}
		}
	}
}
