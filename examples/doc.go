// Package examples is a module of runnable workers, one per folder: each is a whole program to
// read, run and copy. They are a module of their own, so that what they need (an in-process broker,
// drivers, exporters) never reaches the module graph of the library's users.
package examples
