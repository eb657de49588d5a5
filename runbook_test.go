package laneway_test

import (
	"regexp"
	"strings"
	"testing"
)

const operating = here + "docs/operating.md#"

// TestRunbook holds the alert rules and the sections of docs/operating.md together, and what a
// partition may wait for with the table of causes.
func TestRunbook(t *testing.T) {
	page := pageOf(t, "docs/operating.md")
	t.Run("has a section for each alert, which links to it", func(t *testing.T) {
		rules := strings.Split(read(t, "deploy/prometheus/alerts.yml"), "- alert: ")[1:]
		if len(rules) == 0 {
			t.Fatal("there are no alert rules")
		}
		alerts := map[string]bool{}
		for _, rule := range rules {
			name, rest, _ := strings.Cut(rule, "\n")
			alerts[name] = true
			if !page.anchors[anchor(name)] {
				t.Errorf("%s has no section for %s", page.name, name)
			}
			if link := "runbook_url: " + operating + anchor(name) + "\n"; !strings.Contains(rest, link) {
				t.Errorf("%s has no %s", name, link)
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^### (Laneway\w+)$`).FindAllStringSubmatch(strings.Join(page.lines, "\n"), -1) {
			if !alerts[m[1]] {
				t.Errorf("%s has a section for %s, which is no alert", page.name, m[1])
			}
		}
	})

	t.Run("has a row for each cause", func(t *testing.T) {
		causes := regexp.MustCompile(`(?m)^\tCause\w+\s+Cause = "(\w+)"`).FindAllStringSubmatch(read(t, "stream/cause.go"), -1)
		_, table, _ := strings.Cut(strings.Join(page.lines, "\n"), "## What a partition waits for")
		table, _, _ = strings.Cut(table, "\n## ")
		rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(table, -1)
		has := map[string]bool{}
		for _, r := range rows {
			has[r[1]] = true
		}
		for _, c := range causes {
			if !has[c[1]] {
				t.Errorf("%s has no row for the cause %s", page.name, c[1])
			}
		}
		if len(causes) == 0 || len(rows) != len(causes) {
			t.Errorf("%d rows for %d causes", len(rows), len(causes))
		}
	})
}
