package laneway_test

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// TestCookbook holds docs/cookbook.md and the package examples/cookbook together: the page shows
// each recipe as it stands there, and a test runs it.
func TestCookbook(t *testing.T) {
	var code, tests strings.Builder
	for _, f := range glob(t, "examples/cookbook/*.go") {
		if text := read(t, f); strings.HasSuffix(f, "_test.go") {
			tests.WriteString(text)
		} else {
			code.WriteString(text)
		}
	}
	page := read(t, "docs/cookbook.md")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page, -1)
	for _, b := range blocks {
		if !strings.Contains("\n"+code.String()+tests.String(), "\n"+b[1]) {
			t.Errorf("docs/cookbook.md shows what is not in examples/cookbook:\n%s", b[1])
		}
		if n := strings.Count(b[1], "\n"); n > 30 {
			t.Errorf("a recipe of %d lines, at most 30:\n%s", n, b[1])
		}
	}
	recipes := 0
	for _, r := range rooms(t) {
		for _, f := range r.files {
			if r.dir != "examples/cookbook" || f.test {
				continue
			}
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Recv != nil {
					continue
				}
				recipes++
				if !strings.Contains(page, "```go\nfunc "+fn.Name.Name+"(") {
					t.Errorf("docs/cookbook.md does not show %s", fn.Name.Name)
				}
				if fn.Name.Name != "Encode" && !strings.Contains(tests.String(), fn.Name.Name+"(") {
					t.Errorf("no test of examples/cookbook runs %s", fn.Name.Name)
				}
			}
		}
	}
	if recipes < 20 {
		t.Errorf("%d recipes", recipes)
	}
}
