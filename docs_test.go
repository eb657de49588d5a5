package laneway_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const here = "https://github.com/laneway-go/laneway/blob/main/"

// page is a Markdown file, without its blocks of code.
type page struct {
	name    string
	lines   []string
	anchors map[string]bool // of its headings, as GitHub and Hugo make them
}

// pages reads what people read: docs, and the Markdown files in the root. llms.txt is Markdown too.
func pages(t *testing.T) []page {
	t.Helper()
	var ps []page
	for _, name := range append(glob(t, "docs/*.md"), append(glob(t, "*.md"), "docs/llms.txt")...) {
		p := page{name: name, anchors: map[string]bool{}}
		code := false
		for line := range strings.Lines(read(t, name)) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			} else if !code {
				p.lines = append(p.lines, line)
				if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
					p.anchors[anchor(title)] = true
				}
			}
		}
		ps = append(ps, p)
	}
	return ps
}

// anchor is the fragment of a heading.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

func pageOf(t *testing.T, name string) page {
	t.Helper()
	for _, p := range pages(t) {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("there is no %s", name)
	return page{}
}

func TestDocs(t *testing.T) {
	all := pages(t)
	anchors := map[string]map[string]bool{}
	for _, p := range all {
		anchors[p.name] = p.anchors
	}

	t.Run("links lead somewhere", func(t *testing.T) {
		link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
		for _, p := range all {
			for _, m := range link.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
				file, fragment, _ := strings.Cut(m[1], "#")
				target := path.Join(path.Dir(p.name), file)
				if ours, ok := strings.CutPrefix(file, here); ok {
					target = ours
				} else if strings.Contains(file, "://") {
					continue
				} else if file == "" {
					target = p.name
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s links to %s, which is not there", p.name, m[1])
				} else if fragment != "" && strings.HasSuffix(target, ".md") && !anchors[target][fragment] {
					t.Errorf("%s links to %s, where no heading has that anchor", p.name, m[1])
				}
			}
		}
	})

	t.Run("are all on the first page, in the site and in llms.txt", func(t *testing.T) {
		for _, p := range glob(t, "docs/*.md") {
			name := strings.TrimSuffix(path.Base(p), ".md")
			if name == "README" {
				continue
			}
			for list, entry := range map[string]string{"docs/README.md": "](" + name + ".md)", "docs/llms.txt": "docs/" + name + ".md)", "site/hugo.toml": `"` + name + `"`} {
				if !strings.Contains(read(t, list), entry) {
					t.Errorf("%s does not have %s", list, p)
				}
			}
		}
	})

	t.Run("prose fits its columns", func(t *testing.T) {
		for _, p := range all {
			if !strings.HasPrefix(p.name, "docs/") || p.name == "docs/llms.txt" { // in which a line is an entry
				continue
			}
			for _, line := range p.lines {
				if n := utf8.RuneCountInString(line); n > columns && !strings.HasPrefix(line, "|") {
					t.Errorf("%s: a line of %d columns, at most %d: %s", p.name, n, columns, line)
				}
			}
		}
	})

	t.Run("name metrics and tests that are there", func(t *testing.T) {
		var metrics, tests strings.Builder
		for _, r := range rooms(t) {
			for _, f := range r.files {
				switch {
				case f.test:
					tests.WriteString(read(t, f.name))
				case r.dir == "ops/prommetrics":
					metrics.WriteString(read(t, f.name))
				}
			}
		}
		metric, test := regexp.MustCompile(`laneway_[a-z_]+`), regexp.MustCompile("`(Test[A-Z][A-Za-z]+)(?:/([^`]+))?`")
		for _, p := range all {
			if path.Dir(p.name) != "docs" {
				continue
			}
			text := strings.Join(p.lines, "\n")
			for _, name := range metric.FindAllString(text, -1) {
				if name != "laneway_offsets" && !strings.Contains(metrics.String(), `"`+strings.TrimPrefix(name, "laneway_")+`"`) && !strings.Contains(metrics.String(), `"`+name+`"`) {
					t.Errorf("%s names the metric %s, which is not exported", p.name, name)
				}
			}
			for _, m := range test.FindAllStringSubmatch(text, -1) {
				if !strings.Contains(tests.String(), "func "+m[1]+"(") || m[2] != "" && !strings.Contains(tests.String(), `"`+m[2]+`"`) {
					t.Errorf("%s names %s, which is not there", p.name, m[0])
				}
			}
		}
	})
}
