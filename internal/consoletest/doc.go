// Package consoletest looks at the console in a real browser, Debian's chromium. TestNight also has
// a real Prometheus, with the alerts of deploy/prometheus, and the command laneway: it goes from an
// alert to its end. The package is a separate module, so that no browser is a dependency of the
// library.
//
// Without chromium or prometheus a test is skipped, unless LANEWAY_REQUIRE_CHROMIUM or
// LANEWAY_REQUIRE_PROMETHEUS is set. With LANEWAY_SITE set to the folder of a site that `make site`
// has built, TestNight opens the runbook there too. With LANEWAY_SCREENSHOTS set to a folder, the
// tests leave pictures in it. The folder axe has axe-core, which knows the rules of accessibility.
package consoletest
