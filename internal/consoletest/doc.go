// Package consoletest looks at the console in a real browser, Debian's chromium. It is a separate
// module, so that no browser is a dependency of the library. Without chromium its tests are
// skipped, unless LANEWAY_REQUIRE_CHROMIUM is set.
//
// With LANEWAY_SCREENSHOTS set to a folder, the tests leave pictures there.
package consoletest
