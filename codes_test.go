package laneway_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// uncoded are the errors of the library without a code, by type, file or text, and why.
var uncoded = map[string]string{
	"BuildError":                  "its code is a field",
	"PermanentError":              "it is a mark, and its text that of the error inside",
	"WholeError":                  "it is a mark, and its text that of the error inside",
	"PostponedError":              "its text is that of the error inside",
	"noError":                     "it is looked for in others, and in none",
	"ready.go":                    "its texts are those of halts and troubles, whose errors have codes",
	"durable.go":                  "its text is that of a handler's error, as it was stored",
	"ops.Log was given no logger": "a BuildError has its text",
	"paused by ":                  "it says who has asked, in a halt that no error has made",
	"the call does not show whether the dependency is there": "it stays inside of the breaker",
	"it has %d partitions, but no partition %d":              "a TopicError has its text",
	"no error is this one":                                   "nobody sees it: it is only sought",
	"parked by ":                                             "it says who has asked, in a halt that no error has made",
}

// coded are the packages whose errors users see. Those of the Kafka rooms come inside of one of
// kafkaerr, unless they have a type.
var coded = []string{"stream", "stream/kafkaerr", "source", "sink", "ops"}

// TestCodes holds the codes of errors and events and the sections of docs/errors.md and
// docs/events.md together.
func TestCodes(t *testing.T) {
	inCode := map[string]string{} // code → the file it stands in
	code := regexp.MustCompile(`^LW\d{3}$|\[(LW\d{3})\]`)
	all := rooms(t)
	for _, r := range all {
		if strings.HasPrefix(r.dir, "examples") || strings.HasPrefix(r.dir, "bench") {
			continue
		}
		for _, f := range r.files {
			if f.test {
				continue
			}
			for _, text := range literals(f.ast) {
				for _, m := range code.FindAllString(text, -1) {
					inCode[strings.Trim(m, "[]")] = f.name
				}
			}
		}
	}

	t.Run("each have a section that says what it means and what to do", func(t *testing.T) {
		sections := map[string]string{}
		for _, name := range []string{"docs/errors.md", "docs/events.md"} {
			for _, s := range strings.Split("\n"+read(t, name), "\n### ")[1:] {
				title, text, _ := strings.Cut(s, "\n")
				if sections[title] != "" {
					t.Errorf("%s has two sections for %s", name, title)
				}
				sections[title] = text
				says := []string{"**Means.**", "**Do.**"}
				if name == "docs/errors.md" {
					says = append(says, "**Check.**")
				}
				for _, what := range says {
					if !strings.Contains(text, what) {
						t.Errorf("%s, %s: it does not say %s", name, title, what)
					}
				}
				if inCode[title] == "" {
					t.Errorf("%s has a section for %s, which no error and no event has", name, title)
				}
			}
		}
		for c, file := range inCode {
			if sections[c] == "" {
				t.Errorf("%s has the code %s, which has no section", file, c)
			}
		}
	})

	t.Run("are in the text of each error", func(t *testing.T) {
		for _, r := range all {
			for _, f := range r.files {
				if !slices.Contains(coded, r.dir) || f.test || uncoded[f.name[strings.LastIndex(f.name, "/")+1:]] != "" {
					continue
				}
				for _, what := range codeless(f.ast, code) {
					t.Errorf("%s: %s has no code: give it one and a section in docs/errors.md, or say in uncoded why not", f.name, what)
				}
			}
		}
	})

	t.Run("are given to each event, one each", func(t *testing.T) {
		events := regexp.MustCompile(`(?m)^func \((\w+)\) event\(\)`).FindAllStringSubmatch(read(t, "stream/event.go"), -1)
		given := regexp.MustCompile(`case (\w+):\n\t\treturn "(LW\d{3})"`).FindAllStringSubmatch(read(t, "stream/event_code.go"), -1)
		codes, taken := map[string]string{}, map[string]bool{}
		for _, g := range given {
			if taken[g[2]] {
				t.Errorf("two events have the code %s", g[2])
			}
			codes[g[1]], taken[g[2]] = g[2], true
		}
		for _, e := range events {
			if c := codes[e[1]]; c == "" {
				t.Errorf("the event %s has no code in CodeOf", e[1])
			} else if !strings.Contains(read(t, "docs/events.md"), "### "+c+"\n\n**`"+e[1]+"`:") {
				t.Errorf("docs/events.md: the section %s does not begin with the event %s", c, e[1])
			}
		}
		if len(events) == 0 {
			t.Error("stream/event.go has lost its events")
		}
	})

	t.Run("are not needed by events that have a name, which has a section", func(t *testing.T) {
		named := regexp.MustCompile(`(?:Step|Sink|Source)Event\{[^"\n]*"([a-z ]+)"|OnEvent\((?:Event\{Name: )?"([a-z ]+)"|m\.event\("([a-z]+)"|Tell\(ctx, "([a-z ]+)"`)
		doc := pageOf(t, "docs/events.md")
		names := map[string]bool{}
		for _, r := range all {
			for _, f := range r.files {
				if f.test || !slices.Contains(coded, r.dir) && !strings.HasPrefix(r.dir, "internal/kafka/") {
					continue
				}
				for _, m := range named.FindAllStringSubmatch(read(t, f.name), -1) {
					name := strings.Join(m[1:], "")
					if strings.Contains(m[0], "m.event(") {
						name = "group " + name
					}
					if names[name] = true; name != "group " && !doc.anchors[anchor(name)] {
						t.Errorf("%s tells of %q, which has no section in docs/events.md", f.name, name)
					}
				}
			}
		}
		for _, line := range doc.lines {
			if name, ok := strings.CutPrefix(line, "#### "); ok && !names[name] {
				t.Errorf("docs/events.md has a section for %q, of which nothing tells", name)
			}
		}
	})
}

// literals returns the strings of a file.
func literals(f ast.Node) (texts []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// codeless names what makes errors in a file without a code: calls of errors.New and of fmt.Errorf
// that wrap nothing, and Error methods.
func codeless(f *ast.File, code *regexp.Regexp) (found []string) {
	has := func(n ast.Node) bool { return slices.ContainsFunc(literals(n), code.MatchString) }
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv != nil && n.Name.Name == "Error" {
				t := n.Recv.List[0].Type
				if star, ok := t.(*ast.StarExpr); ok {
					t = star.X
				}
				if name := t.(*ast.Ident).Name; uncoded[name] == "" && !has(n) {
					found = append(found, name+".Error")
				}
			}
		case *ast.CompositeLit:
			if isBuildError(n) && !hasCode(n) {
				found = append(found, "a BuildError")
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 {
				break
			}
			pkg, _ := sel.X.(*ast.Ident)
			if pkg == nil || pkg.Name+"."+sel.Sel.Name != "errors.New" && pkg.Name+"."+sel.Sel.Name != "fmt.Errorf" {
				break
			}
			text := strings.Join(literals(n.Args[0]), "")
			if text != "" && uncoded[text] == "" && !strings.Contains(text, "%w") && !has(n) {
				found = append(found, strconv.Quote(text))
			}
		}
		return true
	})
	return found
}

func isBuildError(l *ast.CompositeLit) bool {
	switch t := l.Type.(type) {
	case *ast.Ident:
		return t.Name == "BuildError"
	case *ast.SelectorExpr:
		return t.Sel.Name == "BuildError"
	}
	return false
}

func hasCode(l *ast.CompositeLit) bool {
	for _, e := range l.Elts {
		kv, keyed := e.(*ast.KeyValueExpr)
		if !keyed {
			return true // all fields are given, or it does not compile
		}
		if key, _ := kv.Key.(*ast.Ident); key != nil && key.Name == "Code" {
			return true
		}
	}
	return false
}
