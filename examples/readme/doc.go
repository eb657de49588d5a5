// Package readme is the code that README.md shows: a test holds the two together, so that whatever
// stands there compiles.
package readme
