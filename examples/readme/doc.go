// Package readme is the code in README.md. A test compares the two, so that the code shown there
// compiles.
package readme
