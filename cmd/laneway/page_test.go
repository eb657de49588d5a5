package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPage holds docs/command-line.md to the commands: each help is there; -update writes it.
func TestPage(t *testing.T) {
	const path = "../../docs/command-line.md"
	t.Setenv(atVariable, "")
	t.Setenv("KAFKA_BROKERS", "")
	raw, err := os.ReadFile(path)
	must(t, err)
	page, listed := string(raw), map[string]bool{}
	for _, c := range root(nil, nil, nil).Commands() {
		listed[c.Name()] = true
		var out, errs bytes.Buffer
		must(t, run(t.Context(), []string{c.Name(), "-h"}, &out, &errs))
		help, _, _ := strings.Cut(out.String(), "\nExit codes:") // the page has them once
		section := regexp.MustCompile("(?s)(\n### laneway " + c.Name() + "\n\n)```\n.*?```\n")
		want := fmt.Sprintf("\n### laneway %s\n\n```\n%s\n```\n", c.Name(), strings.TrimSpace(help))
		switch {
		case *update && section.MatchString(page):
			page = section.ReplaceAllLiteralString(page, want)
		case *update:
			page = strings.TrimRight(page, "\n") + "\n" + want
		case !strings.Contains(page, want):
			t.Errorf("%s does not show what laneway %s -h says; go test -update writes it", path, c.Name())
		}
	}
	if !strings.Contains(page, "```"+exitHelp+"```\n") {
		t.Errorf("%s does not show the exit codes:\n%s", path, exitHelp)
	}
	for _, m := range regexp.MustCompile(`(?m)^### laneway (\w+)$`).FindAllStringSubmatch(page, -1) {
		if !listed[m[1]] {
			t.Errorf("%s has a section for laneway %s, which there is not", path, m[1])
		}
	}
	if *update {
		must(t, os.WriteFile(path, []byte(page), 0o644))
	}
}
