// Package readme is the code in README.md and docs. A test compares them, so that the code shown
// there compiles.
package readme
