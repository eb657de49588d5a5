package consoletest

import (
	_ "embed" // axe.min.js
	"strings"

	"github.com/chromedp/chromedp"
)

// axe is axe-core 4.14.1 from npm, unchanged, under the MPL 2.0 that lies beside it.
//
//go:embed axe/axe.min.js
var axe string

// violations runs axe-core's rules of WCAG 2.2 A and AA and its best practices, and returns each
// violation with what it is about.
const violations = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
  .then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html.slice(0, 200))))`

// accessible checks the page as it is now.
func (b *tab) accessible(how string) {
	b.t.Helper()
	if !eval[bool](b, "typeof axe === 'object'") {
		eval[bool](b, axe+"; true")
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise))
	must(b.t, err)
	if len(found) > 0 {
		b.t.Errorf("axe-core about the page %s:\n%s", how, strings.Join(found, "\n"))
	}
}
